-- Everything a release will say, taken in one statement: what changes later does not leak in.
-- The split hangs on the speaker group alone, so a clip never changes it. Of what raters perceived of a speaker, a
-- clip says only as much as it shares with enough speaker groups; text with an e-mail address is left out.
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

eligible as (
    select
        released.*,
        label.perceived_gender,
        label.perceived_age_group,
        label.perceived_accent,
        released.measures
        || to_jsonb(label)
        || jsonb_build_object(
            'source_id', released.source_id,
            'url', released.url,
            'title', released.title,
            'speaker_group', released.speaker_group,
            'licence', released.licence,
            'language', coalesce(label.language, released.source_language),
            'start_s', coalesce(released.audio_start_ms, released.start_ms) / 1000.0,
            'end_s', coalesce(released.audio_end_ms, released.end_ms) / 1000.0,
            'duration_s', released.duration_s,
            'sample_rate_hz', released.sample_rate_hz,
            'audio_sha256', released.audio_sha256
        ) as sample
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

blanked as (
    select
        eligible.clip_id,
        eligible.audio_sha256,
        eligible.is_link,
        eligible.split,
        eligible.sample
        || jsonb_build_object('split', eligible.split)
        || case
            when accent.n_left_out is not null then '{}'
            when age.n_left_out is not null then '{"perceived_accent": null, "perceived_accent_share": null}'
            when gender.n_left_out is not null
                then
                    '{"perceived_accent": null, "perceived_accent_share": null,'
                    ' "perceived_age_group": null, "perceived_age_group_share": null}'
            else
                '{"perceived_accent": null, "perceived_accent_share": null,'
                ' "perceived_age_group": null, "perceived_age_group_share": null,'
                ' "perceived_gender": null, "perceived_gender_share": null}'
        end::jsonb
        || (
            select coalesce(jsonb_object_agg(said.key, null), '{}')
            from jsonb_each_text(eligible.sample) as said
            where
                said.key in ('title', 'transcription', 'audio_description', 'video_description')
                and said.value ~* '[[:alnum:]._%%+-]+@[[:alnum:].-]+\.[[:alpha:]]{2,}'
        ) as sample
    from eligible
    left join people as accent
        on
            accent.n_left_out = 0
            and eligible.perceived_gender is not distinct from accent.perceived_gender
            and eligible.perceived_age_group is not distinct from accent.perceived_age_group
            and eligible.perceived_accent is not distinct from accent.perceived_accent
    left join people as age
        on
            age.n_left_out = 1
            and eligible.perceived_gender is not distinct from age.perceived_gender
            and eligible.perceived_age_group is not distinct from age.perceived_age_group
    left join people as gender
        on gender.n_left_out = 3 and eligible.perceived_gender is not distinct from gender.perceived_gender
),

hashed as (
    select
        blanked.*,
        encode(sha256(convert_to(sample::text, 'UTF8')), 'hex') as sample_sha256
    from blanked
),

linked as (
    insert into catalog.release_link (version, clip_id, sample, sample_sha256)
    select
        %(version)s,
        clip_id,
        sample,
        sample_sha256
    from hashed
    where is_link
)

insert into catalog.release_clip (version, clip_id, split, audio_sha256, sample, sample_sha256)
select
    %(version)s,
    clip_id,
    split,
    audio_sha256,
    sample,
    sample_sha256
from hashed
where not is_link
order by clip_id
