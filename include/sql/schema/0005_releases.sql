-- Releases that keep a clip in its shard, clips that are published as links, and what the checks found.
alter table catalog.release add column shard_capacity jsonb not null default '{}';
comment on column catalog.release.shard_capacity is
    'Samples in a full shard, by split: taken over from the parent, so that clips stay where they are.';

alter table catalog.release_shard add column reused_from text;
comment on column catalog.release_shard.reused_from is
    'The release whose shard this is, byte for byte; null if it was written for this one.';

create table catalog.release_link (
    version text not null references catalog.release on delete cascade,
    clip_id text not null,
    sample jsonb not null,
    sample_sha256 text not null,
    primary key (version, clip_id)
);
comment on table catalog.release_link is
    'Clips whose licence forbids passing on their audio: published with labels and times, without a shard.';

create table catalog.check_result (
    version text not null,
    suite text not null,
    expectation text not null,
    expected jsonb not null,
    severity text not null check (severity in ('critical', 'warning')),
    is_success boolean not null,
    observed jsonb not null,
    ids text[] not null,
    checked_at timestamptz not null default now()
);
comment on table catalog.check_result is
    'What the checks found, each run of them: kept also for releases that they stopped.';
create index check_result_version on catalog.check_result (version, checked_at);
