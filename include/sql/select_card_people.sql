-- Clips by who raters heard: perceived gender and age group, null where nobody said; then by each of the two alone,
-- because a speaker group may be heard in several ways and counts once.
select
    perceived_gender,
    perceived_age_group,
    case grouping(perceived_gender, perceived_age_group)
        when 0 then 'both' when 1 then 'gender' else 'age_group'
    end as counted_by,
    count(*) as n_clips,
    count(distinct speaker_group) as n_speaker_groups
from card_clip
group by grouping sets ((perceived_gender, perceived_age_group), (perceived_gender), (perceived_age_group))
order by counted_by, perceived_gender collate "C" asc nulls last, perceived_age_group collate "C" asc nulls last
