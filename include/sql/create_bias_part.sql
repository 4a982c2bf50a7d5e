-- The clips of table `bias_clip` that one speaker group was perceived alike in, counted; sums are exact.
create temporary table bias_part on commit drop as
select
    language,
    accent,
    gender,
    age_group,
    speaker_group,
    count(*) as n_clips,
    sum(duration_s) as duration_s,
    sum(arousal) as arousal_sum,
    count(arousal) as arousal_n,
    sum(valence) as valence_sum,
    count(valence) as valence_n
from bias_clip
group by language, accent, gender, age_group, speaker_group
