-- What earlier releases had, noted by each release: to read all of them grows with every night.
create table catalog.release_removal (
    version text not null references catalog.release on delete cascade,
    clip_id text not null,
    last_version text not null,
    primary key (version, clip_id)
);
comment on table catalog.release_removal is
    'Clips that a release has not and an earlier published one had, and the last that did: removed.jsonl without reasons.';

insert into catalog.release_removal (version, clip_id, last_version)
select
    release.version,
    had.clip_id,
    (array_agg(had.version order by string_to_array(had.version, '.')::integer[] desc))[1]
from catalog.release
inner join catalog.release as earlier
    on string_to_array(earlier.version, '.')::integer[] < string_to_array(release.version, '.')::integer[]
inner join catalog.release_clip as had on earlier.version = had.version
where
    earlier.state = 'published'
    and not exists (
        select 1
        from catalog.release_clip as kept
        where kept.version = release.version and kept.clip_id = had.clip_id
    )
group by release.version, had.clip_id;
