-- One field as the raters who count gave it, for each clip that two or more of them gave it for.
select array_agg(rating order by annotator_id collate "C") as ratings
from (
    select
        current_annotation.clip_id,
        current_annotation.annotator_id,
        said.rating
    from catalog.current_annotation
    inner join catalog.annotator using (annotator_id)
    cross join lateral (
        select
            case %(field)s
                when 'arousal' then current_annotation.arousal::text
                when 'valence' then current_annotation.valence::text
                when 'age_group' then current_annotation.age_group
                when 'gender' then current_annotation.gender
                when 'accent' then current_annotation.accent
                when 'audio_quality' then current_annotation.audio_quality
            end as rating
    ) as said
    where
        not current_annotation.is_retracted
        and annotator.state <> 'blocked'
        and said.rating is not null
) as rated
group by clip_id
having count(*) >= 2
order by clip_id collate "C"
