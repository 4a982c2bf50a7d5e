-- The clips of a release as the figures of its card are taken of them, joined once for all statements.
create temporary table card_clip on commit drop as
select
    release_clip.split,
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
    said.is_transcribed
from catalog.release_clip
inner join catalog.sample_row as said
    on release_clip.clip_id = said.clip_id and release_clip.sample_sha256 = said.sample_sha256
where release_clip.version = %(version)s
