-- Clips by mean arousal and valence, both to half a step, so that a plot of a million clips stays small.
select
    arousal,
    valence,
    count(*) as n_clips
from (
    select
        (round(arousal_mean * 2) / 2)::double precision as arousal,
        (round(valence_mean * 2) / 2)::double precision as valence
    from card_clip
) as rated
where arousal is not null and valence is not null
group by arousal, valence
order by arousal, valence
