-- What a worker is about to put into the store, so that what it leaves there when it is killed is found.
create table catalog.begun_audio (
    source_id text not null references catalog.source,
    audio_sha256 text not null check (audio_sha256 ~ '^[0-9a-f]{64}$'),
    begun_at timestamptz not null default now(),
    primary key (source_id, audio_sha256)
);
comment on table catalog.begun_audio is
    'Written before the audio is stored, removed by the transaction whose clips name it. While a worker holds the '
    'source, it is that worker''s; else its worker is dead, and what no clip names is removed from the store.';
