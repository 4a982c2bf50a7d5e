-- Where the members of a shard's samples lie, all of the shard at once.
update catalog.release_clip
set
    flac_offset_bytes = placed.flac_offset_bytes,
    flac_bytes = placed.flac_bytes,
    json_offset_bytes = placed.json_offset_bytes,
    json_bytes = placed.json_bytes
from
    unnest(
        %(clip_ids)s::text [], %(flac_offset_bytes)s::bigint [], %(flac_bytes)s::bigint [],
        %(json_offset_bytes)s::bigint [], %(json_bytes)s::bigint []
    ) as placed (clip_id, flac_offset_bytes, flac_bytes, json_offset_bytes, json_bytes)
where
    release_clip.version = %(version)s
    and release_clip.split = %(split)s
    and release_clip.shard = %(shard)s
    and release_clip.clip_id = placed.clip_id
