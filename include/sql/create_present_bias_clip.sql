-- All clips that could be released now as the bias tables count them.
create temporary table bias_clip on commit drop as
select
    coalesce(lower(substring(language from '^[A-Za-z]{2,3}(?![A-Za-z])')), 'unknown') as language,
    accent,
    gender,
    age_group,
    speaker_group,
    duration_s::numeric as duration_s,
    arousal_mean::numeric as arousal,
    valence_mean::numeric as valence,
    emotion_plurality as families
from catalog.bias_clip
