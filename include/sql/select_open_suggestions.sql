-- What volunteers proposed and no run has looked at yet, the oldest first.
select
    suggestion_id,
    url,
    start_s,
    end_s
from catalog.suggestion
where outcome is null
order by suggestion_id
limit %(limit)s
