-- Everything a release will say, taken in one statement: what changes later does not leak in.
-- The split hangs on the speaker group alone, so a clip never changes it.
with
released as (
    select
        clip.*,
        source.url,
        source.title,
        source.speaker_group,
        source.licence,
        source.language as source_language,
        ('x' || substr(encode(sha256(convert_to(source.speaker_group, 'UTF8')), 'hex'), 1, 8))::bit(32)::bigint
        %% 100 as bucket
    from catalog.clip
    inner join catalog.source using (source_id)
    where clip.state = 'ready'
),

sampled as (
    select
        released.clip_id,
        released.audio_sha256,
        case when released.bucket < 90 then 'train' when released.bucket < 95 then 'validation' else 'test' end
            as split,
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
)

insert into catalog.release_clip (version, clip_id, split, audio_sha256, sample, sample_sha256)
select
    %(version)s,
    clip_id,
    split,
    audio_sha256,
    sample || jsonb_build_object('split', split),
    encode(sha256(convert_to((sample || jsonb_build_object('split', split))::text, 'UTF8')), 'hex')
from sampled
order by clip_id
