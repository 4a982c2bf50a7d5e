-- Speaker groups whose clips stand in several splits.
create unlogged table checking.divided_speaker_group as
select speaker_group
from checking.release
group by speaker_group
having min(split) <> max(split)
