-- The clips of a release, or all that could be released now, as the bias tables count them.
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
where %(version)s::text is null
union all
select
    coalesce(lower(substring(said.language from '^[A-Za-z]{2,3}(?![A-Za-z])')), 'unknown') as language,
    coalesce(said.perceived_accent, 'unknown') as accent,
    coalesce(said.perceived_gender, 'unknown') as gender,
    coalesce(said.perceived_age_group, 'unknown') as age_group,
    said.speaker_group,
    said.duration_s,
    said.arousal_mean as arousal,
    said.valence_mean as valence,
    said.emotion_plurality as families
from catalog.release_clip
cross join lateral jsonb_to_record(release_clip.sample) as said (
    language text, perceived_accent text, perceived_gender text, perceived_age_group text, speaker_group text,
    duration_s numeric, arousal_mean numeric, valence_mean numeric, emotion_plurality text []
)
where release_clip.version = %(version)s
