update catalog.release_clip
set
    flac_offset_bytes = %(flac_offset_bytes)s,
    flac_bytes = %(flac_bytes)s,
    json_offset_bytes = %(json_offset_bytes)s,
    json_bytes = %(json_bytes)s
where version = %(version)s and clip_id = %(clip_id)s
