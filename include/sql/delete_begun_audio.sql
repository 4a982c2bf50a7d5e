-- What a clip names, or was made from another source at the same time, is no longer only begun.
delete from catalog.begun_audio as begun
where
    begun.source_id = %(source_id)s
    and exists (
        select 1
        from catalog.clip
        where clip.audio_sha256 = begun.audio_sha256 and clip.state = 'ready'
    )
