-- What the annotators to renew said last, and what everybody said of the same clips.
create temporary table judged_vote on commit drop as
with
recent as (
    select
        annotator_to_renew.annotator_id,
        said.clip_id
    from annotator_to_renew
    cross join lateral (
        select annotation.clip_id
        from catalog.annotation
        where annotation.annotator_id = annotator_to_renew.annotator_id
        order by annotation.submitted_at desc, annotation.annotation_id desc
        limit %(window)s
    ) as said
    group by annotator_to_renew.annotator_id, said.clip_id
),

current_vote as (
    select distinct on (annotation.clip_id, annotation.annotator_id)
        annotation.clip_id,
        annotation.annotator_id,
        annotation.emotions,
        annotation.arousal,
        annotation.valence,
        annotation.time_spent_s,
        annotation.audio_description,
        annotation.vocabulary_version,
        annotation.is_retracted
    from (select distinct clip_id from recent) as judged
    inner join catalog.annotation using (clip_id)
    order by
        annotation.clip_id asc, annotation.annotator_id asc,
        annotation.submitted_at desc, annotation.annotation_id desc
)

select
    current_vote.*,
    annotator.state = 'blocked' as is_blocked,
    recent.annotator_id is not null as is_recent
from current_vote
inner join catalog.annotator using (annotator_id)
left join recent using (clip_id, annotator_id)
where not current_vote.is_retracted
