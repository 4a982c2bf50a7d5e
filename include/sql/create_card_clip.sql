-- The clips of a release as the figures of its card are taken of them: a sample is decompressed for each field that is
-- taken of it by itself, so all are taken at once, for all statements.
create temporary table card_clip on commit drop as
select
    released_clip.split,
    said.source_id,
    said.speaker_group,
    said.licence,
    said.language,
    said.duration_s,
    said.snr_db,
    said.n_raters,
    said.has_agreement,
    said.arousal_n,
    said.arousal_mean,
    said.arousal_std,
    said.valence_n,
    said.valence_mean,
    said.valence_std,
    said.perceived_gender,
    said.perceived_gender_share,
    said.perceived_age_group,
    said.perceived_age_group_share,
    said.perceived_accent,
    said.emotion_plurality,
    said.emotion_hard,
    said.emotion_soft,
    said.transcription is not null as is_transcribed
from catalog.released_clip
cross join lateral jsonb_to_record(released_clip.sample) as said (
    source_id text, speaker_group text, licence text, language text, duration_s numeric, snr_db numeric,
    n_raters integer, has_agreement boolean, arousal_n integer, arousal_mean numeric, arousal_std numeric,
    valence_n integer, valence_mean numeric, valence_std numeric, perceived_gender text,
    perceived_gender_share numeric, perceived_age_group text, perceived_age_group_share numeric,
    perceived_accent text, emotion_plurality text [], emotion_hard text [], emotion_soft jsonb, transcription text
)
where released_clip.version = %(version)s
