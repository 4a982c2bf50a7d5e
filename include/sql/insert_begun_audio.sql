insert into catalog.begun_audio (source_id, audio_sha256)
select
    %(source_id)s,
    unnest(%(audio_sha256s)s::text[])
on conflict do nothing
