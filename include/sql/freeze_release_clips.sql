-- Everything a release will say, taken in one statement: what changes later does not leak in. Where each clip will lie,
-- or whether there is a release to make of it, is not known yet.
-- The split hangs on the speaker group alone, so a clip never changes it. Of what raters perceived of a speaker, a
-- clip says only as much as it shares with enough speaker groups; text with an e-mail address is left out.
-- A sample is made of clips that have none of these versions of their rows; `sample` is null for all others.
-- A table that is made of a query is filled by several workers, one that is inserted into by one.
create temporary table frozen with (toast_tuple_target = 8160) on commit drop as
with
released as (
    select
        clip.clip_id,
        clip.audio_sha256,
        clip.audio_bytes,
        clip.duration_s,
        clip.xmin as clip_xmin,
        told_source.*
    from catalog.clip
    -- `offset 0` has the split worked out for each source, not for each clip.
    inner join (
        select
            source.source_id,
            source.speaker_group,
            source.licence = any(%(linked_licences)s::text[]) as is_link,
            source.xmin as source_xmin,
            catalog.split_of(source.speaker_group) as split
        from catalog.source
        where source.licence <> all(%(withheld_licences)s::text[])
        offset 0
    ) as told_source using (source_id)
    where clip.state = 'ready'
),

eligible as not materialized (
    select
        released.*,
        label.xmin as label_xmin,
        label.perceived_gender,
        label.perceived_age_group,
        label.perceived_accent
    from released
    inner join catalog.label using (clip_id)
    where label.n_raters >= %(min_raters)s and not label.is_held
),

-- As one value, which workers can be given; they can't read a table of one.
people as materialized (
    select coalesce(jsonb_agg(shared), '[]') as found
    from (
        select
            perceived_gender,
            perceived_age_group,
            perceived_accent,
            grouping(perceived_gender, perceived_age_group, perceived_accent) as n_left_out
        from (select distinct perceived_gender, perceived_age_group, perceived_accent, speaker_group from eligible)
        group by rollup (perceived_gender, perceived_age_group, perceived_accent)
        having count(distinct speaker_group) >= %(min_people)s
    ) as shared
),

told as (
    select
        eligible.*,
        accent.n_left_out is not null as has_accent,
        coalesce(accent.n_left_out, age.n_left_out) is not null as has_age_group,
        coalesce(accent.n_left_out, age.n_left_out, gender.n_left_out) is not null as has_gender
    from eligible
    left join
        jsonb_to_recordset((select found from people)) as accent (
            perceived_gender text, perceived_age_group text, perceived_accent text, n_left_out integer
        )
        on
            accent.n_left_out = 0
            and coalesce(eligible.perceived_gender, '') = coalesce(accent.perceived_gender, '')
            and coalesce(eligible.perceived_age_group, '') = coalesce(accent.perceived_age_group, '')
            and coalesce(eligible.perceived_accent, '') = coalesce(accent.perceived_accent, '')
    left join
        jsonb_to_recordset((select found from people)) as age (
            perceived_gender text, perceived_age_group text, n_left_out integer
        )
        on
            age.n_left_out = 1
            and coalesce(eligible.perceived_gender, '') = coalesce(age.perceived_gender, '')
            and coalesce(eligible.perceived_age_group, '') = coalesce(age.perceived_age_group, '')
    left join
        jsonb_to_recordset((select found from people)) as gender (perceived_gender text, n_left_out integer)
        on gender.n_left_out = 3 and coalesce(eligible.perceived_gender, '') = coalesce(gender.perceived_gender, '')
),

known as (
    select
        told.*,
        stamp.sample_sha256
    from told
    left join catalog.sample_stamp as stamp
        on
            told.clip_id = stamp.clip_id
            and told.label_xmin = stamp.label_xmin
            and told.clip_xmin = stamp.clip_xmin
            and told.source_xmin = stamp.source_xmin
            and told.has_accent = stamp.has_accent
            and told.has_age_group = stamp.has_age_group
            and told.has_gender = stamp.has_gender
            and stamp.form = %(form)s
)

select
    known.clip_id,
    known.split,
    known.is_link,
    known.audio_sha256,
    known.audio_bytes,
    known.duration_s,
    known.label_xmin,
    known.clip_xmin,
    known.source_xmin,
    known.has_accent,
    known.has_age_group,
    known.has_gender,
    made.sample,
    coalesce(known.sample_sha256, encode(sha256(convert_to(made.sample::text, 'UTF8')), 'hex')) as sample_sha256
from known
left join lateral (
    select clip.measures || to_jsonb(said) as sample
    from catalog.label
    inner join catalog.clip on label.clip_id = clip.clip_id
    inner join catalog.source on clip.source_id = source.source_id
    cross join lateral (
        -- Of two columns of one name the second counts: made at once, an object takes half the time of one that is
        -- put together.
        select
            label.*,
            source.source_id,
            source.url,
            catalog.without_address(source.title) as title,
            source.speaker_group,
            source.licence,
            coalesce(label.language, source.language) as language,
            coalesce(clip.audio_start_ms, clip.start_ms) / 1000.0 as start_s,
            coalesce(clip.audio_end_ms, clip.end_ms) / 1000.0 as end_s,
            clip.duration_s,
            clip.sample_rate_hz,
            clip.audio_sha256,
            known.split,
            catalog.without_address(label.transcription) as transcription,
            catalog.without_address(label.audio_description) as audio_description,
            catalog.without_address(label.video_description) as video_description,
            case when known.has_accent then label.perceived_accent end as perceived_accent,
            case when known.has_accent then label.perceived_accent_share end as perceived_accent_share,
            case when known.has_age_group then label.perceived_age_group end as perceived_age_group,
            case when known.has_age_group then label.perceived_age_group_share end as perceived_age_group_share,
            case when known.has_gender then label.perceived_gender end as perceived_gender,
            case when known.has_gender then label.perceived_gender_share end as perceived_gender_share
    ) as said
    where known.sample_sha256 is null and label.clip_id = known.clip_id
    -- Keeps the planner from merging this into what stands above, where each sample would be made twice.
    offset 0
) as made on true
