-- Clips by signal-to-noise ratio in steps of 5 dB, rounded down.
select
    (floor((sample ->> 'snr_db')::numeric / 5) * 5)::integer as snr_db,
    count(*) as n_clips
from catalog.released_clip
where version = %(version)s and sample ->> 'snr_db' is not null
group by 1
order by snr_db
