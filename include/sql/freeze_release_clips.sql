-- Everything a release will say, taken in one statement: what changes later does not leak in. Where each clip will lie,
-- or whether there is a release to make of it, is not known yet.
-- The split hangs on the speaker group alone, so a clip never changes it. Of what raters perceived of a speaker, a
-- clip says only as much as it shares with enough speaker groups; text with an e-mail address is left out.
-- A table that is made of a query is filled by several workers, one that is inserted into by one.
create temporary table frozen on commit drop as
with
released as (
    select
        clip.*,
        source.url,
        source.title,
        source.speaker_group,
        source.licence,
        source.language as source_language,
        source.licence = any(%(linked_licences)s::text[]) as is_link,
        catalog.split_of(source.speaker_group) as split
    from catalog.clip
    inner join catalog.source using (source_id)
    where clip.state = 'ready' and source.licence <> all(%(withheld_licences)s::text[])
),

eligible as not materialized (
    select
        released.*,
        label,
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

sampled as (
    select
        told.clip_id,
        told.split,
        told.is_link,
        told.audio_sha256,
        told.audio_bytes,
        told.duration_s,
        told.measures || to_jsonb(said) as sample
    from told
    cross join lateral (
        -- Of two columns of one name the second counts: made at once, an object takes half the time of one that is
        -- put together.
        select
            (told.label).*,
            told.source_id,
            told.url,
            catalog.without_address(told.title) as title,
            told.speaker_group,
            told.licence,
            coalesce((told.label).language, told.source_language) as language,
            coalesce(told.audio_start_ms, told.start_ms) / 1000.0 as start_s,
            coalesce(told.audio_end_ms, told.end_ms) / 1000.0 as end_s,
            told.duration_s,
            told.sample_rate_hz,
            told.audio_sha256,
            told.split,
            catalog.without_address((told.label).transcription) as transcription,
            catalog.without_address((told.label).audio_description) as audio_description,
            catalog.without_address((told.label).video_description) as video_description,
            case when told.has_accent then told.perceived_accent end as perceived_accent,
            case when told.has_accent then (told.label).perceived_accent_share end as perceived_accent_share,
            case when told.has_age_group then told.perceived_age_group end as perceived_age_group,
            case when told.has_age_group then (told.label).perceived_age_group_share end as perceived_age_group_share,
            case when told.has_gender then told.perceived_gender end as perceived_gender,
            case when told.has_gender then (told.label).perceived_gender_share end as perceived_gender_share
    ) as said
    -- Keeps the planner from merging this into what follows, where each sample would be made twice.
    offset 0
)

select
    clip_id,
    split,
    is_link,
    audio_sha256,
    audio_bytes,
    duration_s,
    sample,
    encode(sha256(convert_to(sample::text, 'UTF8')), 'hex') as sample_sha256
from sampled
