-- Clips that a person holds, or that reports do: two, or a grave one. What was reported before a person decided is
-- decided. Of all clips, or of those in clip_to_label.
with
reported as (
    select distinct annotation.clip_id
    from catalog.annotation
    where
        annotation.reports <> '{}'
        and (%(is_all)s or annotation.clip_id in (select clip_to_label.clip_id from clip_to_label))
),

said as (
    select distinct on (annotation.clip_id, annotation.annotator_id)
        annotation.clip_id,
        annotation.annotator_id,
        annotation.reports,
        annotation.merged_at,
        annotation.is_retracted
    from reported
    inner join catalog.annotation using (clip_id)
    order by
        annotation.clip_id asc, annotation.annotator_id asc,
        annotation.submitted_at desc, annotation.annotation_id desc
)

select said.clip_id
from said
inner join catalog.annotator using (annotator_id)
left join catalog.hold_decision using (clip_id)
where
    not said.is_retracted
    and annotator.state <> 'blocked'
    and said.reports <> '{}'
    and (hold_decision.decided_at is null or said.merged_at > hold_decision.decided_at)
group by said.clip_id
having count(*) >= 2 or bool_or(said.reports && %(grave_reports)s::text[])
union
select hold_decision.clip_id
from catalog.hold_decision
where hold_decision.is_held
