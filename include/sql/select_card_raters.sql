-- Clips by their number of raters.
select
    (sample ->> 'n_raters')::integer as n_raters,
    count(*) as n_clips
from catalog.released_clip
where version = %(version)s
group by (sample ->> 'n_raters')::integer
order by n_raters
