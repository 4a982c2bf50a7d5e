-- What the ledger's newest word on a URL is, and whether it may be tried again: its time has come, or it broke an
-- extractor that was renewed meanwhile.
select
    outcome,
    message,
    next_try_at,
    coalesce(next_try_at <= now(), outcome = 'broken' and tool_version is distinct from %(tool_version)s) as is_due
from catalog.address
where url = %(url)s
