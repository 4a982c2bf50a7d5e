select
    release_clip.sample,
    release_clip.split,
    release_shard.path as shard_path,
    row_number() over (partition by release_clip.split, release_clip.shard order by release_clip.position) - 1
        as position,
    release_clip.flac_offset_bytes,
    release_clip.flac_bytes,
    release_clip.json_offset_bytes,
    release_clip.json_bytes
from catalog.release_clip
inner join catalog.release_shard using (version, split, shard)
where release_clip.version = %(version)s
order by release_clip.clip_id collate "C"
