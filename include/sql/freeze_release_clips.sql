-- Everything a release will say, taken in one statement: what changes later does not leak in. Where each clip will lie,
-- or whether there is a release to make of it, is not known yet.
-- The split hangs on the speaker group alone, so a clip never changes it. Of what raters perceived of a speaker, a
-- clip says only as much as it shares with enough speaker groups; text with an e-mail address is left out.
-- A sample is made where the last one of the clip was not made of these versions of its rows; else it is null.
-- A table that is made of a query is filled by several workers, one that is inserted into by one.
create temporary table frozen with (toast_tuple_target = 8160) on commit drop as
with
released as (
    select
        clip.*,
        clip.xmin as clip_xmin,
        heard.source_xmin,
        heard.url,
        heard.title,
        heard.speaker_group,
        heard.licence,
        heard.source_language,
        heard.is_link,
        heard.split
    from catalog.clip
    -- In an order, this is kept apart, and the split worked out for each source, not for each clip.
    inner join (
        select
            source.source_id,
            source.xmin as source_xmin,
            source.url,
            source.title,
            source.speaker_group,
            source.licence,
            source.language as source_language,
            source.licence = any(%(linked_licences)s::text[]) as is_link,
            catalog.split_of(source.speaker_group) as split
        from catalog.source
        where source.licence <> all(%(withheld_licences)s::text[])
        order by source.source_id
    ) as heard
        on clip.source_id = heard.source_id
    where clip.state = 'ready'
),

eligible as not materialized (
    select
        released.*,
        label,
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
    clip_id,
    split,
    is_link,
    audio_sha256,
    audio_bytes,
    duration_s,
    label_xmin,
    clip_xmin,
    source_xmin,
    has_accent,
    has_age_group,
    has_gender,
    sample,
    coalesce(sample_sha256, encode(sha256(convert_to(sample::text, 'UTF8')), 'hex')) as sample_sha256
from (
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
        known.sample_sha256,
        case when known.sample_sha256 is null then known.measures || to_jsonb(said) end as sample,
        -- What is volatile keeps the planner from merging this into what follows, where each sample would be made twice.
        -- So does `offset 0`, but workers would take no part in what follows.
        clock_timestamp() as made_at
    from known
    cross join lateral (
        -- Of two columns of one name the second counts: made at once, an object takes half the time of one that is
        -- put together.
        select
            (known.label).*,
            known.source_id,
            known.url,
            catalog.without_address(known.title) as title,
            known.speaker_group,
            known.licence,
            coalesce((known.label).language, known.source_language) as language,
            coalesce(known.audio_start_ms, known.start_ms) / 1000.0 as start_s,
            coalesce(known.audio_end_ms, known.end_ms) / 1000.0 as end_s,
            known.duration_s,
            known.sample_rate_hz,
            known.audio_sha256,
            known.split,
            catalog.without_address((known.label).transcription) as transcription,
            catalog.without_address((known.label).audio_description) as audio_description,
            catalog.without_address((known.label).video_description) as video_description,
            case when known.has_accent then known.perceived_accent end as perceived_accent,
            case when known.has_accent then (known.label).perceived_accent_share end as perceived_accent_share,
            case when known.has_age_group then known.perceived_age_group end as perceived_age_group,
            case when known.has_age_group then (known.label).perceived_age_group_share end as perceived_age_group_share,
            case when known.has_gender then known.perceived_gender end as perceived_gender,
            case when known.has_gender then (known.label).perceived_gender_share end as perceived_gender_share
    ) as said
) as made
