-- The families that each rater who counts chose, for clips that two or more of them chose any for.
select
    clip_id,
    annotator_id,
    rating
from (
    select
        said.clip_id,
        said.annotator_id,
        array_agg(distinct vocabulary.family) as rating,
        count(*) over (partition by said.clip_id) as n_raters
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
where n_raters >= 2
order by clip_id collate "C", annotator_id collate "C"
