-- Addresses that are due again, or all that ended in one class: as they were given, longest due first.
select
    url,
    given
from (
    select
        url,
        given,
        next_try_at
    from catalog.address
    where %(fault_class)s::text is null and next_try_at <= now()
    union all
    select
        url,
        given,
        tried_at
    from catalog.address
    where
        %(fault_class)s::text is null
        and outcome = 'broken'
        and (tool_version < %(tool_version)s or tool_version > %(tool_version)s or tool_version is null)
    union all
    select
        url,
        given,
        tried_at
    from catalog.address
    where outcome = %(fault_class)s
) as due
order by next_try_at, url
limit %(limit)s
