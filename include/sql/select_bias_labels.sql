-- Labels of the ready clips by one grouping of their speakers.
with
grouped as (
    select
        bias_clip.*,
        case %(group)s
            when 'language' then language
            when 'accent' then accent
            when 'gender' then gender
            when 'age_group' then age_group
        end as "group"
    from catalog.bias_clip
),

family_count as (
    select
        grouped."group",
        family.name,
        count(*) as n_clips
    from grouped
    cross join lateral unnest(grouped.emotion_plurality) as family (name)
    group by grouped."group", family.name
)

select
    grouped."group",
    count(*) as n_clips,
    avg(grouped.arousal_mean) as arousal_mean,
    stddev_samp(grouped.arousal_mean) as arousal_std,
    count(grouped.arousal_mean) as arousal_n,
    avg(grouped.valence_mean) as valence_mean,
    stddev_samp(grouped.valence_mean) as valence_std,
    count(grouped.valence_mean) as valence_n,
    coalesce(
        (
            select jsonb_object_agg(family_count.name, family_count.n_clips)
            from family_count
            where family_count."group" = grouped."group"
        ),
        '{}'
    ) as emotion_counts
from grouped
group by grouped."group"
order by count(*) desc, grouped."group" collate "C"
