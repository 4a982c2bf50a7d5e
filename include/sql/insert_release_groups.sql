-- Clips of the release that is being checked, by group.
insert into catalog.release_group (version, kind, name, n_clips)
select
    %(version)s,
    said.kind,
    said.name,
    count(*)
from checking.release
cross join lateral (
    values
    ('gender', release.perceived_gender),
    ('age_group', release.perceived_age_group),
    ('accent', release.perceived_accent),
    ('language', release.language)
) as said (kind, name)
where said.name is not null
group by said.kind, said.name
union all
select
    %(version)s,
    'family',
    family.name,
    count(*)
from checking.release
cross join lateral unnest(release.emotion_plurality) as family (name)
group by family.name
