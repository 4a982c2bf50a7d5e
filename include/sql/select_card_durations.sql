-- Clips by length in whole seconds, rounded down; a clip of exactly 30 s or a trifle more counts as one of 29 s.
select
    least(floor((sample ->> 'duration_s')::numeric), 29)::integer as duration_s,
    count(*) as n_clips
from catalog.released_clip
where version = %(version)s
group by 1
order by duration_s
