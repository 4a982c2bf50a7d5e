-- The clips of a release as the bias tables count them.
create temporary table bias_clip on commit drop as
select
    coalesce(lower(substring(language from '^[A-Za-z]{2,3}(?![A-Za-z])')), 'unknown') as language,
    coalesce(perceived_accent, 'unknown') as accent,
    coalesce(perceived_gender, 'unknown') as gender,
    coalesce(perceived_age_group, 'unknown') as age_group,
    speaker_group,
    duration_s,
    arousal_mean as arousal,
    valence_mean as valence,
    emotion_plurality as families
from card_clip
