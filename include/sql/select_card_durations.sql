-- Clips by length in whole seconds, rounded down; a clip of exactly 30 s or a trifle more counts as one of 29 s.
select
    least(floor(duration_s), 29)::integer as duration_s,
    count(*) as n_clips
from card_clip
group by 1
order by 1
