select
    what,
    id,
    outcome,
    reason,
    retry_at
from catalog.refusal
order by what, id
