-- Clips by perceived gender, age group and accent, where enough speaker groups were heard so; null: not said or blanked.
select
    perceived_gender as gender,
    perceived_age_group as age_group,
    perceived_accent as accent,
    count(*) as n_clips
from card_clip
group by 1, 2, 3
having count(distinct speaker_group) >= %(min_groups)s
order by n_clips desc, 1 asc, 2 asc, 3 asc
