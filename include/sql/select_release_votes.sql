-- Every vote that the release's labels rest on, as of the freeze; names become pseudonyms before they leave.
-- What a vote says of the speaker is left out where the clip's label leaves it out or no label of the release says it;
-- so is text with an e-mail address.
with
published as (
    select clip_id, sample from catalog.release_clip where version = %(version)s
    union all
    select clip_id, sample from catalog.release_link where version = %(version)s
)

select
    annotation.clip_id,
    annotation.annotator_id,
    annotation.submitted_at,
    annotation.time_spent_s,
    annotation.emotions,
    annotation.arousal,
    annotation.valence,
    case
        when
            published.sample ->> 'perceived_age_group' is not null
            and annotation.age_group = any(array(select distinct p.sample ->> 'perceived_age_group' from published as p))
            then annotation.age_group
    end as perceived_age_group,
    case
        when
            published.sample ->> 'perceived_gender' is not null
            and annotation.gender = any(array(select distinct p.sample ->> 'perceived_gender' from published as p))
            then annotation.gender
    end as perceived_gender,
    case
        when
            published.sample ->> 'perceived_accent' is not null
            and annotation.accent = any(array(select distinct p.sample ->> 'perceived_accent' from published as p))
            then annotation.accent
    end as perceived_accent,
    annotation.audio_quality,
    annotation.background_sounds,
    case when 'transcription' <> all(annotation.flagged_fields) then annotation.transcription end as transcription,
    annotation.language,
    annotation.vocabulary_version
from published
inner join catalog.release on release.version = %(version)s
inner join lateral (
    select distinct on (a.annotator_id) a.*
    from catalog.annotation as a
    where a.clip_id = published.clip_id and a.merged_at <= release.frozen_at
    order by a.annotator_id asc, a.submitted_at desc, a.annotation_id desc
) as annotation on true
inner join catalog.annotator on annotation.annotator_id = annotator.annotator_id
where not annotation.is_retracted and annotator.state <> 'blocked'
order by annotation.clip_id collate "C", annotation.annotation_id
