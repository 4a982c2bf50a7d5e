-- Clips by signal-to-noise ratio in steps of 5 dB, rounded down.
select
    (floor(snr_db / 5) * 5)::integer as snr_db,
    count(*) as n_clips
from card_clip
where snr_db is not null
group by 1
order by 1
