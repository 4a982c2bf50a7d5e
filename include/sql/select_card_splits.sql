-- Each split of a release: clips, hours, recordings, speaker groups.
select
    split,
    count(*) as n_clips,
    sum(duration_s)::double precision as duration_s,
    count(distinct source_id) as n_sources,
    count(distinct speaker_group) as n_speaker_groups
from card_clip
group by split
order by array_position(array['train', 'validation', 'test'], split)
