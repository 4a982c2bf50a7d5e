-- Where a source's ready clips lie.
select
    clip_id,
    audio_start_ms,
    audio_end_ms
from (
    select
        clip_id,
        coalesce(audio_start_ms, start_ms) as audio_start_ms,
        coalesce(audio_end_ms, end_ms) as audio_end_ms
    from catalog.clip
    where source_id = %(source_id)s and state = 'ready'
) as ready_clip
order by audio_start_ms, audio_end_ms
