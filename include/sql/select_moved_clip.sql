-- A clip that lies elsewhere than in the parent, if there is one.
select now_in.clip_id
from catalog.release_clip as now_in
inner join catalog.release_clip as was_in on now_in.clip_id = was_in.clip_id and was_in.version = %(parent)s
where
    now_in.version = %(version)s
    and (now_in.shard, now_in.position) is distinct from (was_in.shard, was_in.position)
limit 1
