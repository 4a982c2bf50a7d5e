-- A source's clips as they lie in it, with their measures.
select
    clip_id,
    state,
    reason,
    coalesce(audio_start_ms, start_ms) as audio_start_ms,
    coalesce(audio_end_ms, end_ms) as audio_end_ms,
    measures
from catalog.clip
where source_id = %(source_id)s
order by start_ms, end_ms
