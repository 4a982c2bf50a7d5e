-- Take the fields of the samples of a release out of their JSON, where this statement has not done so yet. `line` has those
-- of clips.parquet, in the table's order.
insert into catalog.sample_row (
    clip_id, sample_sha256, form, source_id, speaker_group, licence, language, duration_s, snr_db, n_raters, has_agreement,
    arousal_n, arousal_mean, arousal_std, valence_n, valence_mean, valence_std, perceived_gender, perceived_gender_share,
    perceived_age_group, perceived_age_group_share, perceived_accent, emotion_plurality, emotion_hard, emotion_soft,
    is_transcribed, line
)
select
    missing.clip_id,
    missing.sample_sha256,
    %(form)s,
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
    said.transcription is not null,
    -- Without its brackets.
    left(
        substr(
            row(
                kept.sample ->> 'n_raters',
                kept.sample ->> 'emotion_votes',
                kept.sample ->> 'word_votes',
                kept.sample ->> 'emotion_soft',
                kept.sample ->> 'emotion_hard',
                kept.sample ->> 'emotion_plurality',
                kept.sample ->> 'has_agreement',
                kept.sample ->> 'arousal_mean',
                kept.sample ->> 'arousal_weighted',
                kept.sample ->> 'arousal_std',
                kept.sample ->> 'arousal_n',
                kept.sample ->> 'valence_mean',
                kept.sample ->> 'valence_weighted',
                kept.sample ->> 'valence_std',
                kept.sample ->> 'valence_n',
                kept.sample ->> 'perceived_age_group',
                kept.sample ->> 'perceived_age_group_share',
                kept.sample ->> 'perceived_gender',
                kept.sample ->> 'perceived_gender_share',
                kept.sample ->> 'perceived_accent',
                kept.sample ->> 'perceived_accent_share',
                kept.sample ->> 'audio_quality',
                kept.sample ->> 'background_sounds',
                kept.sample ->> 'transcription',
                kept.sample ->> 'language',
                kept.sample ->> 'audio_description',
                kept.sample ->> 'video_description',
                kept.sample ->> 'is_held',
                kept.sample ->> 'vocabulary_version',
                kept.sample ->> 'emotion_consensus',
                kept.sample ->> 'emotion_agreement',
                kept.sample ->> 'split',
                kept.sample ->> 'source_id',
                kept.sample ->> 'url',
                kept.sample ->> 'title',
                kept.sample ->> 'speaker_group',
                kept.sample ->> 'licence',
                kept.sample ->> 'start_s',
                kept.sample ->> 'end_s',
                kept.sample ->> 'duration_s',
                kept.sample ->> 'peak_dbfs',
                kept.sample ->> 'rms_dbfs',
                kept.sample ->> 'loudness_lufs',
                kept.sample ->> 'loudness_range_lu',
                kept.sample ->> 'true_peak_dbtp',
                kept.sample ->> 'gain_db',
                kept.sample ->> 'clipped_share',
                kept.sample ->> 'speech_share',
                kept.sample ->> 'longest_pause_s',
                kept.sample ->> 'snr_db',
                kept.sample ->> 'sample_rate_hz',
                kept.sample ->> 'bandwidth_hz',
                kept.sample ->> 'n_channels',
                kept.sample ->> 'dc_offset',
                kept.sample ->> 'has_distinct_channels',
                kept.sample ->> 'audio_sha256'
            )::text, 2
        ), -1
    )
from (
    select
        released.clip_id,
        released.sample_sha256
    from (
        select
            clip_id,
            sample_sha256
        from catalog.release_clip
        where version = %(version)s
        union all
        select
            clip_id,
            sample_sha256
        from catalog.release_link
        where version = %(version)s
    ) as released
    where not exists (
        select 1
        from catalog.sample_row as known
        where
            known.clip_id = released.clip_id
            and known.sample_sha256 = released.sample_sha256
            and known.form = %(form)s
    )
    order by released.clip_id collate "C"
    offset 0
) as missing
cross join lateral (
    -- A sample so long that it is compressed is opened once, not for each field that is taken of it.
    select sample.sample || '{}' as sample
    from catalog.sample
    where sample.clip_id = missing.clip_id and sample.sample_sha256 = missing.sample_sha256
    offset 0
) as kept
cross join lateral jsonb_to_record(kept.sample) as said (
    source_id text, speaker_group text, licence text, language text, duration_s numeric, snr_db numeric,
    n_raters integer, has_agreement boolean, arousal_n integer, arousal_mean numeric, arousal_std numeric,
    valence_n integer, valence_mean numeric, valence_std numeric, perceived_gender text,
    perceived_gender_share numeric, perceived_age_group text, perceived_age_group_share numeric,
    perceived_accent text, emotion_plurality text [], emotion_hard text [], emotion_soft jsonb, transcription text
)
on conflict (clip_id, sample_sha256) do update
set
    (
        form, source_id, speaker_group, licence, language, duration_s, snr_db, n_raters, has_agreement, arousal_n,
        arousal_mean, arousal_std, valence_n, valence_mean, valence_std, perceived_gender, perceived_gender_share,
        perceived_age_group, perceived_age_group_share, perceived_accent, emotion_plurality, emotion_hard, emotion_soft,
        is_transcribed, line
    ) = (
        excluded.form, excluded.source_id, excluded.speaker_group, excluded.licence, excluded.language,
        excluded.duration_s, excluded.snr_db, excluded.n_raters, excluded.has_agreement, excluded.arousal_n,
        excluded.arousal_mean, excluded.arousal_std, excluded.valence_n, excluded.valence_mean, excluded.valence_std,
        excluded.perceived_gender, excluded.perceived_gender_share, excluded.perceived_age_group,
        excluded.perceived_age_group_share, excluded.perceived_accent, excluded.emotion_plurality,
        excluded.emotion_hard, excluded.emotion_soft, excluded.is_transcribed, excluded.line
    )
