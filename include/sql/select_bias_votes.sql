-- Votes by one grouping of the annotators who gave a profile: each person's own mean counts once.
with
person as (
    select
        current_annotation.annotator_id,
        case %(group)s
            when 'age_group' then profile.age_group
            when 'gender' then profile.gender
            when 'first_language' then profile.first_language
        end as "group",
        avg(current_annotation.arousal)::double precision as arousal,
        avg(current_annotation.valence)::double precision as valence
    from catalog.current_annotation
    inner join catalog.annotator using (annotator_id)
    inner join catalog.annotator_profile as profile using (annotator_id)
    where not current_annotation.is_retracted and annotator.state <> 'blocked'
    group by current_annotation.annotator_id, 2
)

select
    "group",
    count(*) as n_annotators,
    avg(arousal) as arousal_mean,
    stddev_samp(arousal) as arousal_std,
    count(arousal) as arousal_n,
    avg(valence) as valence_mean,
    stddev_samp(valence) as valence_std,
    count(valence) as valence_n
from person
where "group" is not null
group by "group"
order by "group" collate "C"
