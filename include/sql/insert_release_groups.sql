-- Clips of the release that is being checked, by group. What is said of clips repeats: each answer is counted first.
insert into catalog.release_group (version, kind, name, n_clips)
with
answer as (
    select
        perceived_gender,
        perceived_age_group,
        perceived_accent,
        language,
        emotion_plurality,
        count(*) as n_clips
    from checking.release
    group by perceived_gender, perceived_age_group, perceived_accent, language, emotion_plurality
)

select
    %(version)s,
    said.kind,
    said.name,
    sum(answer.n_clips)
from answer
cross join lateral (
    values
    ('gender', answer.perceived_gender),
    ('age_group', answer.perceived_age_group),
    ('accent', answer.perceived_accent),
    ('language', lower(substring(answer.language from '^[A-Za-z]{2,3}')))
) as said (kind, name)
where said.name is not null
group by said.kind, said.name
union all
select
    %(version)s,
    'family',
    family.name,
    sum(answer.n_clips)
from answer
cross join lateral jsonb_array_elements_text(answer.emotion_plurality) as family (name)
group by family.name
