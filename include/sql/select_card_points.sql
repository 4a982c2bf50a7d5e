-- Clips by mean arousal and valence, both to half a step, so that a plot of a million clips stays small.
select
    arousal,
    valence,
    count(*) as n_clips
from (
    select
        (round((sample ->> 'arousal_mean')::numeric * 2) / 2)::double precision as arousal,
        (round((sample ->> 'valence_mean')::numeric * 2) / 2)::double precision as valence
    from catalog.released_clip
    where version = %(version)s
) as rated
where arousal is not null and valence is not null
group by arousal, valence
order by arousal, valence
