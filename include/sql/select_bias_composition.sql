-- Who is in a release, or in all that could be released now: clips and hours by language and by what was perceived.
select
    language,
    accent,
    gender,
    age_group,
    count(*) as n_clips,
    count(distinct speaker_group) as n_speaker_groups,
    (sum(duration_s) / 3600)::double precision as duration_h
from (
    select
        coalesce(lower(substring(language from '^[A-Za-z]{2,3}(?![A-Za-z])')), 'unknown') as language,
        accent,
        gender,
        age_group,
        speaker_group,
        duration_s::numeric as duration_s
    from catalog.bias_clip
    where %(version)s::text is null
    union all
    select
        coalesce(lower(substring(sample ->> 'language' from '^[A-Za-z]{2,3}(?![A-Za-z])')), 'unknown') as language,
        coalesce(sample ->> 'perceived_accent', 'unknown') as accent,
        coalesce(sample ->> 'perceived_gender', 'unknown') as gender,
        coalesce(sample ->> 'perceived_age_group', 'unknown') as age_group,
        sample ->> 'speaker_group' as speaker_group,
        (sample ->> 'duration_s')::numeric as duration_s
    from catalog.released_clip
    where version = %(version)s
) as clip
group by language, accent, gender, age_group
order by
    duration_h desc, language collate "C" asc, accent collate "C" asc, gender collate "C" asc, age_group collate "C" asc
