-- Clips by perceived gender, age group and accent, where enough speaker groups were heard so; null: not said or blanked.
select
    sample ->> 'perceived_gender' as gender,
    sample ->> 'perceived_age_group' as age_group,
    sample ->> 'perceived_accent' as accent,
    count(*) as n_clips
from catalog.released_clip
where version = %(version)s
group by 1, 2, 3
having count(distinct sample ->> 'speaker_group') >= %(min_groups)s
order by n_clips desc, 1 asc, 2 asc, 3 asc
