-- What the checks of a release compare with the last one's, kept with the release: its groups, and how far raters agree.
drop view catalog.checked_clip;

create table catalog.release_group (
    version text not null references catalog.release on delete cascade,
    kind text not null check (kind in ('gender', 'age_group', 'accent', 'language', 'family')),
    name text not null,
    n_clips integer not null,
    primary key (version, kind, name)
);
comment on table catalog.release_group is
    'Clips of a release, links among them, by what was perceived of the speaker, by language, and by most voted family.';

create table catalog.release_agreement (
    version text not null references catalog.release on delete cascade,
    field text not null,
    level text not null,
    alpha double precision,
    n_clips integer not null,
    n_ratings integer not null,
    primary key (version, field)
);
comment on table catalog.release_agreement is
    'Krippendorff''s alpha of each field over a release''s votes, of a fixed sample of its clips where it has many.';
