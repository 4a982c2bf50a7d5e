-- Reject a held source's clips for an earlier source with the same recording. Their audio is cleared by the next run.
with
displaced as (
    select
        clip_id,
        audio_sha256
    from catalog.clip
    where source_id = %(source_id)s and state in ('candidate', 'ready', 'failed')
    for update
),

begun as (
    insert into catalog.begun_audio (source_id, audio_sha256)
    select
        %(source_id)s,
        audio_sha256
    from displaced
    where audio_sha256 is not null
    on conflict do nothing
)

update catalog.clip
set state = 'rejected', reason = %(reason)s, retry_at = null, audio_sha256 = null, audio_bytes = null, ready_at = null
from displaced
where clip.clip_id = displaced.clip_id
