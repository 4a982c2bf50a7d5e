-- How large a frozen release is: clips and groups of speakers.
select
    count(*) as n_clips,
    count(distinct sample ->> 'speaker_group') as n_speaker_groups
from catalog.released_clip
where version = %(version)s
