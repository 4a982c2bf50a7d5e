delete from catalog.begun_audio
where source_id = %(source_id)s and audio_sha256 = any(%(audio_sha256s)s::text[])
