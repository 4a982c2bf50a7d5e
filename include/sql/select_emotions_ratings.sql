-- The families that each rater who counts chose, for clips that two or more of them chose any for.
select
    clip_id,
    annotator_id,
    rating
from (
    select
        current_annotation.clip_id,
        current_annotation.annotator_id,
        array_agg(distinct vocabulary.family) as rating,
        count(*) over (partition by current_annotation.clip_id) as n_raters
    from catalog.current_annotation
    inner join catalog.annotator using (annotator_id)
    cross join lateral unnest(current_annotation.emotions) as word (word)
    inner join catalog.vocabulary
        on current_annotation.vocabulary_version = vocabulary.version and word.word = vocabulary.word
    where not current_annotation.is_retracted and annotator.state <> 'blocked'
    group by current_annotation.clip_id, current_annotation.annotator_id
) as rated
where n_raters >= 2
order by clip_id collate "C", annotator_id collate "C"
