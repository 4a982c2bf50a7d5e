-- Clips whose speaker group has clips in another split too.
select
    clip_id,
    speaker_group,
    split
from {batch}
where speaker_group in (select speaker_group from checking.divided_speaker_group)
order by clip_id
