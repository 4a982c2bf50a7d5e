-- A sample is kept once for all releases that say it, and is made anew only of what has changed.
create table catalog.sample (
    clip_id text not null,
    sample_sha256 text not null,
    sample jsonb not null,
    primary key (clip_id, sample_sha256)
-- As Postgres keeps it by default, compressed, to make and to read a sample takes twice as long.
) with (toast_tuple_target = 8160);
comment on table catalog.sample is
    'The JSON of a clip in a release, by the hash of its text: what came after a freeze does not leak in. '
    'All that was ever said of a clip stands under its id.';

-- `|| '{}'` opens what is compressed.
insert into catalog.sample (clip_id, sample_sha256, sample)
select distinct on (clip_id, sample_sha256)
    clip_id,
    sample_sha256,
    sample || '{}'
from (
    select clip_id, sample_sha256, sample from catalog.release_clip
    union all
    select clip_id, sample_sha256, sample from catalog.release_link
) as released
order by clip_id, sample_sha256;

create table catalog.sample_stamp (
    clip_id text primary key,
    sample_sha256 text not null,
    label_xmin xid not null,
    clip_xmin xid not null,
    source_xmin xid not null,
    has_accent boolean not null,
    has_age_group boolean not null,
    has_gender boolean not null,
    form bigint not null
);
comment on table catalog.sample_stamp is
    'What the sample of a clip was made of when it was last made: versions of rows, what may be said of the speaker, and '
    'the form of the statement that makes it. While all are the same, so is the sample.';
comment on column catalog.sample_stamp.form is
    'Hash of the statement, of the schema, and of the database: in another one, numbers of row versions mean nothing.';

alter table catalog.release_clip drop column sample;
alter table catalog.release_link drop column sample;

-- What foreign keys would see to by asking for each of a million rows whether that is there which was just put there.
alter table catalog.release_clip drop constraint release_clip_version_fkey;
create function catalog.delete_release_clips() returns trigger
language plpgsql
as $$
begin
    delete from catalog.release_clip where version = old.version;
    return null;
end
$$;
create trigger delete_release_clips after delete on catalog.release
for each row execute function catalog.delete_release_clips();

create function catalog.delete_sample_stamp() returns trigger
language plpgsql
as $$
begin
    delete from catalog.sample_stamp where clip_id = old.clip_id and sample_sha256 = old.sample_sha256;
    return null;
end
$$;
create trigger delete_sample_stamp after delete on catalog.sample
for each row execute function catalog.delete_sample_stamp();

-- Rows without their samples take the room that they need, in the order in which samples lie.
cluster catalog.release_clip using release_clip_pkey;

create view catalog.released_clip as
select
    release_clip.version,
    release_clip.clip_id,
    release_clip.split,
    release_clip.shard,
    release_clip.position,
    release_clip.audio_sha256,
    release_clip.sample_sha256,
    kept.sample
from catalog.release_clip
-- `offset 0` has each looked up by its key: joined by hashes in little memory, millions of samples are written to disk
-- and read back.
cross join lateral (
    select sample.sample
    from catalog.sample
    where sample.clip_id = release_clip.clip_id and sample.sample_sha256 = release_clip.sample_sha256
    offset 0
) as kept;
comment on view catalog.released_clip is 'Clips of releases with their samples.';

create view catalog.released_link as
select
    release_link.version,
    release_link.clip_id,
    release_link.sample_sha256,
    kept.sample
from catalog.release_link
cross join lateral (
    select sample.sample
    from catalog.sample
    where sample.clip_id = release_link.clip_id and sample.sample_sha256 = release_link.sample_sha256
    offset 0
) as kept;
comment on view catalog.released_link is 'Links of releases with their samples.';
