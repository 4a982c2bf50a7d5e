-- Clips by licence as the site names it; "unknown" is one.
select
    licence,
    count(*) as n_clips,
    count(distinct source_id) as n_sources
from card_clip
group by licence
order by n_clips desc, licence collate "C" asc
