-- In a shard that is the parent's, byte for byte, each member lies where it lay; most were taken to when it was planned.
update catalog.release_clip
set
    flac_offset_bytes = earlier.flac_offset_bytes,
    flac_bytes = earlier.flac_bytes,
    json_offset_bytes = earlier.json_offset_bytes,
    json_bytes = earlier.json_bytes
from catalog.release_clip as earlier
where
    release_clip.version = %(version)s
    and release_clip.split = %(split)s
    and release_clip.shard = %(shard)s
    and earlier.version = %(parent)s
    and release_clip.clip_id = earlier.clip_id
    and (
        release_clip.flac_offset_bytes, release_clip.flac_bytes, release_clip.json_offset_bytes, release_clip.json_bytes
    ) is distinct from (
        earlier.flac_offset_bytes, earlier.flac_bytes, earlier.json_offset_bytes, earlier.json_bytes
    )
