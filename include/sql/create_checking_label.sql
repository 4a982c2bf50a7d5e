-- Each label beside the annotators whose word counts. They are counted by the index alone; only pairs of clip and
-- annotator that may have no say are looked at: whoever is blocked, or ever withdrew an annotation of the clip.
create unlogged table checking.label as
with
spoken as (
    select
        clip_id,
        count(*) as n_annotations,
        count(distinct annotator_id) as n_annotators
    from catalog.annotation
    group by clip_id
),

doubtful as (
    select
        clip_id,
        annotator_id
    from catalog.annotation
    where is_retracted
    union
    select
        annotation.clip_id,
        annotation.annotator_id
    from catalog.annotator
    inner join catalog.annotation on annotator.annotator_id = annotation.annotator_id
    where annotator.state = 'blocked'
),

silent as (
    select
        doubtful.clip_id,
        count(*) as n_annotators
    from doubtful
    inner join catalog.annotator on doubtful.annotator_id = annotator.annotator_id
    inner join lateral (
        select annotation.is_retracted
        from catalog.annotation
        where annotation.clip_id = doubtful.clip_id and annotation.annotator_id = doubtful.annotator_id
        order by annotation.submitted_at desc, annotation.annotation_id desc
        limit 1
    ) as latest on latest.is_retracted or annotator.state = 'blocked'
    group by doubtful.clip_id
)

select
    coalesce(label.clip_id, spoken.clip_id) as clip_id,
    coalesce(label.n_raters, 0) as n_raters,
    coalesce(spoken.n_annotations, 0) as n_annotations,
    coalesce(spoken.n_annotators, 0) as n_annotators,
    coalesce(silent.n_annotators, 0) as n_silent,
    coalesce(spoken.n_annotators, 0) - coalesce(silent.n_annotators, 0) as n_votes
from catalog.label
full join spoken on label.clip_id = spoken.clip_id
left join silent on spoken.clip_id = silent.clip_id
