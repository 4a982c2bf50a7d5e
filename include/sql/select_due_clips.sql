-- The clips of a held source that are to be made now.
select clip_id, start_ms, end_ms
from catalog.clip
where
    source_id = %(source_id)s
    and (state = 'candidate' or (state = 'failed' and retry_at <= now()))
order by start_ms, end_ms
for update
