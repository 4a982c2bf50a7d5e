select
    attempt_id,
    stage,
    outcome,
    message,
    tried_at,
    next_try_at
from catalog.clip_attempt
where url = (select url from catalog.source where source_id = %(source_id)s)
order by attempt_id
