-- The same by the families that most raters chose for a clip.
create temporary table bias_family on commit drop as
select
    bias_clip.language,
    bias_clip.accent,
    bias_clip.gender,
    bias_clip.age_group,
    bias_clip.speaker_group,
    chosen.family,
    count(*) as n_clips
from bias_clip
cross join lateral unnest(bias_clip.families) as chosen (family)
group by
    bias_clip.language, bias_clip.accent, bias_clip.gender, bias_clip.age_group, bias_clip.speaker_group, chosen.family
