-- Transcriptions of clips where three raters or more transcribed and no text has more than half of them.
with
said as (
    select distinct on (annotation.clip_id, annotation.annotator_id)
        annotation.clip_id,
        annotation.annotator_id,
        annotation.is_retracted,
        annotation.transcription,
        annotation.flagged_fields
    from clip_to_label
    inner join catalog.annotation using (clip_id)
    order by
        annotation.clip_id asc, annotation.annotator_id asc,
        annotation.submitted_at desc, annotation.annotation_id desc
),

counted as (
    select
        said.clip_id,
        said.transcription,
        count(*) over (partition by said.clip_id) as n_texts,
        count(*) over (partition by said.clip_id, said.transcription) as n_same
    from said
    inner join catalog.annotator using (annotator_id)
    where
        not said.is_retracted
        and annotator.state <> 'blocked'
        and said.transcription is not null
        and 'transcription' <> all(said.flagged_fields)
)

select
    clip_id,
    transcription
from (
    select
        *,
        max(n_same) over (partition by clip_id) as most
    from counted
) as ranked
where n_texts >= 3 and 2 * most <= n_texts
order by clip_id collate "C", transcription collate "C"
