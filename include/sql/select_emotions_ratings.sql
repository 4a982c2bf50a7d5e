-- The families that each rater who counts chose, for each clip that two or more of them chose any for.
select jsonb_agg(families order by annotator_id collate "C") as ratings
from (
    select
        said.clip_id,
        said.annotator_id,
        to_jsonb(array_agg(distinct vocabulary.family)) as families
    from (
        select
            current_annotation.clip_id,
            current_annotation.annotator_id,
            current_annotation.vocabulary_version,
            unnest(current_annotation.emotions) as word
        from catalog.current_annotation
        inner join catalog.annotator using (annotator_id)
        where not current_annotation.is_retracted and annotator.state <> 'blocked'
    ) as said
    inner join catalog.vocabulary
        on said.vocabulary_version = vocabulary.version and said.word = vocabulary.word
    group by said.clip_id, said.annotator_id
) as rated
group by clip_id
having count(*) >= 2
order by clip_id collate "C"
