-- Who is in a release, or in all that could be released now: clips and hours by language and by what was perceived.
select
    language,
    accent,
    gender,
    age_group,
    sum(n_clips)::bigint as n_clips,
    count(*) as n_speaker_groups,
    (sum(duration_s) / 3600)::double precision as duration_h
from bias_part
group by language, accent, gender, age_group
order by
    duration_h desc, language collate "C" asc, accent collate "C" asc, gender collate "C" asc, age_group collate "C" asc
