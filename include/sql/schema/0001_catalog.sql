-- The catalog: one row per thing, one state column per clip. Bytes live in the store, never here.
create schema if not exists catalog;

create table catalog.setting (
    name text primary key,
    value text not null
);
comment on table catalog.setting is
    'What belongs to this catalog for good: the key of the annotators'' pseudonyms.';

create table catalog.vocabulary (
    version text not null,
    word text not null,
    family text not null,
    primary key (version, word)
);

create table catalog.source (
    source_id text primary key check (source_id ~ '^[a-z0-9_-]+:[A-Za-z0-9_-]+$'),
    url text not null,
    title text,
    channel text,
    speaker_group text not null,
    duration_s double precision check (duration_s > 0),
    licence text not null default 'unknown',
    language text,
    info jsonb not null default '{}',
    is_to_cut boolean not null default false,
    is_cut boolean not null default false,
    refusal text,
    retry_at timestamptz,
    first_seen_at timestamptz not null default now()
);
comment on column catalog.source.speaker_group is
    'What a split never divides: the channel, or the source itself where no channel is known.';
comment on column catalog.source.is_to_cut is
    'Given without times and not cut yet; its length is known only once it is decoded.';
comment on column catalog.source.is_cut is 'Was cut by rule: is not cut again.';
comment on column catalog.source.refusal is 'Why no clip can come of it.';
create index source_to_cut on catalog.source (first_seen_at) where is_to_cut;

create table catalog.clip (
    clip_id text primary key check (clip_id ~ '^[A-Za-z0-9_-]+$'),
    source_id text not null references catalog.source,
    start_ms integer not null check (start_ms >= 0),
    end_ms integer not null,
    state text not null default 'candidate'
        check (state in ('candidate', 'ready', 'rejected', 'failed', 'gone', 'blocked')),
    reason text,
    retry_at timestamptz,
    audio_sha256 text check (audio_sha256 ~ '^[0-9a-f]{64}$'),
    audio_bytes integer,
    sample_rate_hz integer,
    duration_s double precision,
    measures jsonb not null default '{}',
    first_seen_at timestamptz not null default now(),
    ready_at timestamptz,
    check (end_ms > start_ms and end_ms - start_ms <= 30000),
    check ((state = 'ready') <= (audio_sha256 is not null and duration_s is not null)),
    check ((state in ('rejected', 'failed', 'gone', 'blocked')) <= (reason is not null)),
    check ((state = 'failed') <= (retry_at is not null))
);
create index clip_source on catalog.clip (source_id);
create index clip_due on catalog.clip (source_id, retry_at) where state in ('candidate', 'failed');
create index clip_ready on catalog.clip (clip_id) where state = 'ready';

create table catalog.clip_attempt (
    attempt_id bigint generated always as identity primary key,
    stage text not null check (stage in ('harvest', 'transcode')),
    url text not null,
    source_ids text[] not null default '{}',
    clip_id text,
    outcome text not null
        check (outcome in ('ok', 'gone', 'refused', 'quota', 'transient', 'broken', 'unsupported')),
    message text,
    tried_at timestamptz not null default now(),
    next_try_at timestamptz
);
comment on table catalog.clip_attempt is 'The ledger: each try of each stage, never changed.';
create index clip_attempt_url on catalog.clip_attempt (url, stage, attempt_id desc);

create table catalog.annotator (
    annotator_id text primary key,
    state text not null default 'new' check (state in ('new', 'trusted', 'watched', 'blocked')),
    weight double precision not null default 1 check (weight >= 0),
    first_seen_at timestamptz not null default now()
);

create table catalog.annotation (
    annotation_id text primary key check (annotation_id ~ '^[0-9a-f]{64}$'),
    clip_id text not null,
    annotator_id text not null references catalog.annotator,
    submitted_at timestamptz not null,
    time_spent_s double precision,
    transcription text,
    language text,
    audio_description text,
    video_description text,
    arousal smallint check (arousal between 0 and 10),
    valence smallint check (valence between -5 and 5),
    age_group text,
    gender text,
    gender_text text,
    accent text,
    accent_text text,
    audio_quality text,
    background_sounds text[] not null,
    background_text text,
    emotions text[] not null,
    reports text[] not null,
    report_text text,
    is_retracted boolean not null,
    vocabulary_version text not null,
    source_ref text,
    file text not null,
    line integer not null,
    merged_at timestamptz not null default now()
);
comment on table catalog.annotation is
    'Append-only. annotation_id is the hash of what was said, so the same row sent twice is one row. '
    'A clip_id that no clip has yet waits: no foreign key.';
create index annotation_clip on catalog.annotation
    (clip_id, annotator_id, submitted_at desc, annotation_id desc);

create view catalog.current_annotation as
select distinct on (clip_id, annotator_id) *
from catalog.annotation
order by clip_id asc, annotator_id asc, submitted_at desc, annotation_id desc;
comment on view catalog.current_annotation is
    'The latest word of each annotator on each clip, retractions included.';

create table catalog.annotation_reject (
    reject_id text primary key,
    raw text not null,
    reason text not null,
    file text not null,
    line integer not null,
    rejected_at timestamptz not null default now()
);

create table catalog.label (
    clip_id text primary key,
    n_raters integer not null,
    emotion_votes jsonb not null,
    word_votes jsonb not null,
    emotion_soft jsonb not null,
    emotion_hard text[] not null,
    emotion_plurality text[] not null,
    has_agreement boolean not null,
    arousal_mean double precision,
    arousal_weighted double precision,
    arousal_std double precision,
    arousal_n integer not null,
    valence_mean double precision,
    valence_weighted double precision,
    valence_std double precision,
    valence_n integer not null,
    perceived_age_group text,
    perceived_age_group_share double precision,
    perceived_gender text,
    perceived_gender_share double precision,
    perceived_accent text,
    perceived_accent_share double precision,
    audio_quality text,
    background_sounds text[] not null,
    transcription text,
    language text,
    audio_description text,
    video_description text,
    is_held boolean not null,
    vocabulary_version text not null
);

create table catalog.release (
    version text primary key check (version ~ '^\d{4}\.\d{2}\.\d{2}(\.\d+)?$'),
    parent text,
    state text not null default 'building' check (state in ('building', 'published')),
    vocabulary_version text not null,
    content_sha256 text,
    n_clips integer,
    duration_s double precision,
    manifest_sha256 text,
    frozen_at timestamptz not null default now(),
    promoted_at timestamptz
);

create table catalog.release_clip (
    version text not null references catalog.release on delete cascade,
    clip_id text not null,
    split text not null check (split in ('train', 'validation', 'test')),
    shard integer,
    position integer,
    audio_sha256 text not null,
    sample jsonb not null,
    sample_sha256 text not null,
    flac_offset_bytes bigint,
    flac_bytes bigint,
    json_offset_bytes bigint,
    json_bytes bigint,
    primary key (version, clip_id)
);
comment on column catalog.release_clip.sample is 'The sample JSON as frozen: what came later does not leak in.';
comment on column catalog.release_clip.flac_offset_bytes is
    'Where the audio begins in its shard, so that one clip can be read by a range request.';
create index release_clip_shard on catalog.release_clip (version, split, shard, position);

create table catalog.release_shard (
    version text not null references catalog.release on delete cascade,
    split text not null,
    shard integer not null,
    path text not null,
    n_samples integer not null,
    bytes bigint not null,
    sha256 text not null,
    primary key (version, split, shard)
);

create table catalog.takedown (
    target text primary key,
    reason text not null,
    requested_at timestamptz not null default now(),
    applied_at timestamptz
);

create view catalog.checked_clip as
select
    c.clip_id,
    c.split,
    c.sample_sha256,
    c.sample ->> 'source_id' as source_id,
    c.sample ->> 'speaker_group' as speaker_group,
    c.sample ->> 'licence' as licence,
    (c.sample ->> 'duration_s')::double precision as duration_s,
    (c.sample ->> 'sample_rate_hz')::integer as sample_rate_hz,
    (c.sample ->> 'n_raters')::integer as n_raters,
    (c.sample ->> 'arousal_mean')::double precision as arousal_mean,
    (c.sample ->> 'valence_mean')::double precision as valence_mean,
    (c.sample ->> 'is_held')::boolean as is_held,
    (select round(sum(w.value::numeric), 6) from jsonb_each_text(c.sample -> 'emotion_soft') as w)
        as emotion_soft_sum
from catalog.release_clip as c
where c.version = current_setting('open_empathic.release_version', true);
comment on view catalog.checked_clip is
    'The frozen clips of one release, as the checks read them: the version is a setting of the session, '
    'so that it is never formatted into SQL.';
