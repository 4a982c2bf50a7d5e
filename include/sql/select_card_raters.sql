-- Clips by their number of raters.
select
    n_raters,
    count(*) as n_clips
from card_clip
group by n_raters
order by n_raters
