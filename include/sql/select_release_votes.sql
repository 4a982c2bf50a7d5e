-- Every vote that the release's labels rest on, as of the freeze, in the columns of votes.parquet, lists as JSON; names
-- become pseudonyms before they leave.
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
            sample_sha256
        from catalog.release_clip
        where version = %(version)s
        union all
        select
            clip_id,
            sample_sha256
        from catalog.release_link
        where version = %(version)s
    ) as released
    inner join catalog.sample_row as said
        on released.clip_id = said.clip_id and released.sample_sha256 = said.sample_sha256
),

shown as materialized (
    select
        array_agg(distinct age_group) as age_groups,
        array_agg(distinct gender) as genders,
        array_agg(distinct accent) as accents
    from published
)

select
    annotation.clip_id,
    annotation.annotator_id as annotator,
    annotation.submitted_at,
    annotation.time_spent_s,
    to_json(annotation.emotions) as emotions,
    annotation.arousal,
    annotation.valence,
    case
        when ordered.age_group is not null and annotation.age_group = any(shown.age_groups)
            then annotation.age_group
    end as perceived_age_group,
    case
        when ordered.gender is not null and annotation.gender = any(shown.genders) then annotation.gender
    end as perceived_gender,
    case
        when ordered.accent is not null and annotation.accent = any(shown.accents) then annotation.accent
    end as perceived_accent,
    annotation.audio_quality,
    to_json(annotation.background_sounds) as background_sounds,
    case when 'transcription' <> all(annotation.flagged_fields) then annotation.transcription end as transcription,
    annotation.language,
    annotation.vocabulary_version
-- `offset 0`: clips are sorted, which are narrow, and then each clip's few votes.
from (select published.*, clip_id collate "C" as sorted_id from published order by sorted_id offset 0) as ordered
cross join shown
inner join catalog.release on release.version = %(version)s
inner join lateral (
    select distinct on (a.annotator_id) a.*
    from catalog.annotation as a
    where a.clip_id = ordered.clip_id and a.merged_at <= release.frozen_at
    order by a.annotator_id asc, a.submitted_at desc, a.annotation_id desc
) as annotation on true
where
    not annotation.is_retracted
    -- Looked up in a hash of the few; a join is made by reading all annotators anew for each clip.
    and annotation.annotator_id not in (select annotator_id from catalog.annotator where state = 'blocked')
order by ordered.sorted_id, annotation.annotation_id
