-- Each split of a release: clips, hours, recordings, speaker groups.
select
    split,
    count(*) as n_clips,
    sum((sample ->> 'duration_s')::numeric)::double precision as duration_s,
    count(distinct sample ->> 'source_id') as n_sources,
    count(distinct sample ->> 'speaker_group') as n_speaker_groups
from catalog.released_clip
where version = %(version)s
group by split
order by array_position(array['train', 'validation', 'test'], split)
