-- What the ledger's newest word on a URL is: its outcome, and when it may be tried again.
select
    outcome,
    message,
    next_try_at,
    next_try_at is not null and next_try_at <= now() as is_due
from catalog.clip_attempt
where stage = 'harvest' and url = %(url)s
order by attempt_id desc
limit 1
