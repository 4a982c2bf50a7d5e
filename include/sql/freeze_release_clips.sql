-- Everything a release will say, taken in one statement: what changes later does not leak in.
-- The split hangs on the speaker group alone, so a clip never changes it. Of what raters perceived of a speaker, a
-- clip says only as much as it shares with enough speaker groups; text with an e-mail address is left out.
insert into frozen (clip_id, split, is_link, audio_sha256, audio_bytes, sample, sample_sha256)
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

people as materialized (
    select
        perceived_gender,
        perceived_age_group,
        perceived_accent,
        grouping(perceived_gender, perceived_age_group, perceived_accent) as n_left_out
    from eligible
    group by rollup (perceived_gender, perceived_age_group, perceived_accent)
    having count(distinct speaker_group) >= %(min_people)s
),

told as (
    select
        eligible.*,
        accent.n_left_out is not null as has_accent,
        coalesce(accent.n_left_out, age.n_left_out) is not null as has_age_group,
        coalesce(accent.n_left_out, age.n_left_out, gender.n_left_out) is not null as has_gender
    from eligible
    left join people as accent
        on
            accent.n_left_out = 0
            and coalesce(eligible.perceived_gender, '') = coalesce(accent.perceived_gender, '')
            and coalesce(eligible.perceived_age_group, '') = coalesce(accent.perceived_age_group, '')
            and coalesce(eligible.perceived_accent, '') = coalesce(accent.perceived_accent, '')
    left join people as age
        on
            age.n_left_out = 1
            and coalesce(eligible.perceived_gender, '') = coalesce(age.perceived_gender, '')
            and coalesce(eligible.perceived_age_group, '') = coalesce(age.perceived_age_group, '')
    left join people as gender
        on gender.n_left_out = 3 and coalesce(eligible.perceived_gender, '') = coalesce(gender.perceived_gender, '')
),

sampled as (
    select
        clip_id,
        split,
        is_link,
        audio_sha256,
        audio_bytes,
        measures
        || to_jsonb(label)
        || jsonb_build_object(
            'source_id', source_id,
            'url', url,
            'title', catalog.without_address(title),
            'speaker_group', speaker_group,
            'licence', licence,
            'language', coalesce((label).language, source_language),
            'start_s', coalesce(audio_start_ms, start_ms) / 1000.0,
            'end_s', coalesce(audio_end_ms, end_ms) / 1000.0,
            'duration_s', duration_s,
            'sample_rate_hz', sample_rate_hz,
            'audio_sha256', audio_sha256,
            'split', split,
            'transcription', catalog.without_address((label).transcription),
            'audio_description', catalog.without_address((label).audio_description),
            'video_description', catalog.without_address((label).video_description),
            'perceived_accent', case when has_accent then perceived_accent end,
            'perceived_accent_share', case when has_accent then (label).perceived_accent_share end,
            'perceived_age_group', case when has_age_group then perceived_age_group end,
            'perceived_age_group_share', case when has_age_group then (label).perceived_age_group_share end,
            'perceived_gender', case when has_gender then perceived_gender end,
            'perceived_gender_share', case when has_gender then (label).perceived_gender_share end
        ) as sample
    from told
    -- Keeps the planner from merging this into what follows, where each sample would be made twice.
    offset 0
)

select
    clip_id,
    split,
    is_link,
    audio_sha256,
    audio_bytes,
    sample,
    encode(sha256(convert_to(sample::text, 'UTF8')), 'hex') as sample_sha256
from sampled
