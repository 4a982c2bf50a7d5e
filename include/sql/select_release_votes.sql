-- Every vote that the release's labels rest on, as of the freeze; names become pseudonyms before they leave.
select
    annotation.clip_id,
    annotation.annotator_id,
    annotation.submitted_at,
    annotation.time_spent_s,
    annotation.emotions,
    annotation.arousal,
    annotation.valence,
    annotation.age_group as perceived_age_group,
    annotation.gender as perceived_gender,
    annotation.accent as perceived_accent,
    annotation.audio_quality,
    annotation.background_sounds,
    case when 'transcription' <> all(annotation.flagged_fields) then annotation.transcription end as transcription,
    annotation.language,
    annotation.vocabulary_version
from catalog.release_clip
inner join catalog.release using (version)
inner join lateral (
    select distinct on (a.annotator_id) a.*
    from catalog.annotation as a
    where a.clip_id = release_clip.clip_id and a.merged_at <= release.frozen_at
    order by a.annotator_id asc, a.submitted_at desc, a.annotation_id desc
) as annotation on true
inner join catalog.annotator on annotation.annotator_id = annotator.annotator_id
where release_clip.version = %(version)s and not annotation.is_retracted and annotator.state <> 'blocked'
order by annotation.clip_id collate "C", annotation.annotation_id
