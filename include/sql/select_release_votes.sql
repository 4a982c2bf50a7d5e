-- Every vote that the release's labels rest on, as of the freeze, one JSON object each in the columns of
-- votes.parquet; names become pseudonyms before they leave.
-- What a vote says of the speaker is left out where the clip's label leaves it out or no label of the release says it;
-- so is text with an e-mail address.
with
published as materialized (
    select
        released.clip_id,
        said.perceived_age_group as age_group,
        said.perceived_gender as gender,
        said.perceived_accent as accent
    from (
        select
            clip_id,
            sample
        from catalog.release_clip
        where version = %(version)s
        union all
        select
            clip_id,
            sample
        from catalog.release_link
        where version = %(version)s
    ) as released
    -- A sample is decompressed for each field that is taken of it by itself.
    cross join lateral jsonb_to_record(released.sample) as said (
        perceived_age_group text, perceived_gender text, perceived_accent text
    )
),

shown as materialized (
    select
        array_agg(distinct age_group) as age_groups,
        array_agg(distinct gender) as genders,
        array_agg(distinct accent) as accents
    from published
)

select
    json_build_object(
        'clip_id', annotation.clip_id,
        'annotator', annotation.annotator_id,
        'submitted_at', annotation.submitted_at,
        'time_spent_s', annotation.time_spent_s,
        'emotions', annotation.emotions,
        'arousal', annotation.arousal,
        'valence', annotation.valence,
        'perceived_age_group',
        case
            when published.age_group is not null and annotation.age_group = any(shown.age_groups)
                then annotation.age_group
        end,
        'perceived_gender',
        case when published.gender is not null and annotation.gender = any(shown.genders) then annotation.gender end,
        'perceived_accent',
        case when published.accent is not null and annotation.accent = any(shown.accents) then annotation.accent end,
        'audio_quality', annotation.audio_quality,
        'background_sounds', annotation.background_sounds,
        'transcription',
        case when 'transcription' <> all(annotation.flagged_fields) then annotation.transcription end,
        'language', annotation.language,
        'vocabulary_version', annotation.vocabulary_version
    ) as record
from published
cross join shown
inner join catalog.release on release.version = %(version)s
inner join lateral (
    select distinct on (a.annotator_id) a.*
    from catalog.annotation as a
    where a.clip_id = published.clip_id and a.merged_at <= release.frozen_at
    order by a.annotator_id asc, a.submitted_at desc, a.annotation_id desc
) as annotation on true
where
    not annotation.is_retracted
    -- Looked up in a hash of the few; a join is made by reading all annotators anew for each clip.
    and annotation.annotator_id not in (select annotator_id from catalog.annotator where state = 'blocked')
order by annotation.clip_id collate "C", annotation.annotation_id
