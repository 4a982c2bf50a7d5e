select
    state,
    count(*) as n_clips
from catalog.clip
group by state
order by state
