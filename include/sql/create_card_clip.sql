-- The clips of a release as the card's figures are taken of them: a sample is decompressed for each field that is taken
-- of it by itself, so all are taken at once, for all statements.
create temporary table card_clip on commit drop as
select
    release_clip.split,
    said.*,
    release_clip.sample ->> 'transcription' is not null as is_transcribed
from catalog.release_clip
cross join lateral jsonb_to_record(release_clip.sample) as said (
    source_id text, speaker_group text, licence text, language text, duration_s numeric, snr_db numeric,
    n_raters integer, has_agreement boolean, arousal_n integer, arousal_mean numeric, arousal_std numeric,
    valence_n integer, valence_mean numeric, valence_std numeric, perceived_gender text,
    perceived_gender_share numeric, perceived_age_group text, perceived_age_group_share numeric,
    perceived_accent text, emotion_plurality text [], emotion_hard text [], emotion_soft jsonb
)
where release_clip.version = %(version)s
