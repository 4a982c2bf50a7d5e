-- Each split by clip id into shards of equal size, the last one shorter.
update catalog.release_clip
set shard = numbered.position / %(shard_samples)s, position = numbered.position %% %(shard_samples)s
from (
    select
        clip_id,
        (row_number() over (partition by split order by clip_id collate "C") - 1)::integer as position
    from catalog.release_clip
    where version = %(version)s
) as numbered
where release_clip.version = %(version)s and release_clip.clip_id = numbered.clip_id
