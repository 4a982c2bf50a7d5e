-- Where a clip was really cut, and what tells a recording from its re-upload.
alter table catalog.clip
    add column audio_start_ms integer,
    add column audio_end_ms integer;
comment on column catalog.clip.audio_start_ms is
    'Where the audio begins: start_ms, moved by at most 0.2 s to a pause. The id keeps the time that was given.';
create index clip_audio on catalog.clip (audio_sha256) where state = 'ready';

create table catalog.source_fingerprint (
    source_id text primary key references catalog.source on delete cascade,
    fingerprint bytea not null,
    landmarks integer[] not null,
    taken_at timestamptz not null default now()
);
comment on table catalog.source_fingerprint is
    'Chromaprint of each decoded recording: little-endian 32 bit numbers, one for each 0.124 s.';
comment on column catalog.source_fingerprint.landmarks is 'Up to 256 of its numbers, by which its like are found.';
create index source_fingerprint_landmarks on catalog.source_fingerprint using gin (landmarks);
