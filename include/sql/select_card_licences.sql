-- Clips by licence as the site names it; "unknown" is one.
select
    licence,
    count(*) as n_clips,
    count(distinct source_id) as n_sources
from (
    select
        sample ->> 'licence' as licence,
        sample ->> 'source_id' as source_id
    from catalog.released_clip
    where version = %(version)s
) as licensed
group by licence
order by n_clips desc, licence collate "C" asc
