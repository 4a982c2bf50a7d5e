-- The sources whose metadata was read from this address: a known one is not read again.
select
    source.source_id,
    source.url,
    source.duration_s
from catalog.source
inner join catalog.clip_attempt as attempt
    on source.source_id = any(attempt.source_ids)
where attempt.stage = 'harvest' and attempt.url = %(url)s and attempt.outcome = 'ok' and not source.is_unread
group by source.source_id
order by source.source_id
