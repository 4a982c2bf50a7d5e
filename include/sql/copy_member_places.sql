-- In shards that are the parent's, byte for byte, each member lies where it lay. Most were taken to when it was planned, of
-- the same clips; those are left alone, as to compare all took longer than all else that is noted of these shards.
update catalog.release_clip
set
    flac_offset_bytes = earlier.flac_offset_bytes,
    flac_bytes = earlier.flac_bytes,
    json_offset_bytes = earlier.json_offset_bytes,
    json_bytes = earlier.json_bytes
from unnest(%(splits)s::text [], %(shards)s::integer []) as shared (split, shard)
inner join catalog.release_clip as earlier
    on earlier.version = %(parent)s and shared.split = earlier.split and shared.shard = earlier.shard
where
    release_clip.version = %(version)s
    and release_clip.split = shared.split
    and release_clip.shard = shared.shard
    and release_clip.clip_id = earlier.clip_id
    and release_clip.flac_offset_bytes is null
