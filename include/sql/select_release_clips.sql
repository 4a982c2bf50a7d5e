-- Rows of clips.parquet: what the sample of each clip says, lists and maps as JSON, and where it lies. A place that a clip
-- has left is not counted: `position` is that of the sample in its shard.
with
placed as (
    select
        clip_id,
        sample_sha256,
        version,
        split,
        shard,
        flac_offset_bytes,
        flac_bytes,
        json_offset_bytes,
        json_bytes,
        row_number() over (partition by split, shard order by position) - 1 as place
    from catalog.release_clip
    where version = %(version)s
),

-- `offset 0`: rows are sorted before they have their samples.
sorted as (
    select
        placed.clip_id,
        placed.sample_sha256,
        placed.flac_offset_bytes,
        placed.flac_bytes,
        placed.json_offset_bytes,
        placed.json_bytes,
        placed.place,
        release_shard.path as shard_path,
        placed.clip_id collate "C" as sorted_id
    from placed
    inner join catalog.release_shard
        on
            placed.version = release_shard.version
            and placed.split = release_shard.split
            and placed.shard = release_shard.shard
    order by sorted_id
    offset 0
)

select
    sorted.clip_id,
    kept.sample ->> 'n_raters' as n_raters,
    kept.sample ->> 'emotion_votes' as emotion_votes,
    kept.sample ->> 'word_votes' as word_votes,
    kept.sample ->> 'emotion_soft' as emotion_soft,
    kept.sample ->> 'emotion_hard' as emotion_hard,
    kept.sample ->> 'emotion_plurality' as emotion_plurality,
    kept.sample ->> 'has_agreement' as has_agreement,
    kept.sample ->> 'arousal_mean' as arousal_mean,
    kept.sample ->> 'arousal_weighted' as arousal_weighted,
    kept.sample ->> 'arousal_std' as arousal_std,
    kept.sample ->> 'arousal_n' as arousal_n,
    kept.sample ->> 'valence_mean' as valence_mean,
    kept.sample ->> 'valence_weighted' as valence_weighted,
    kept.sample ->> 'valence_std' as valence_std,
    kept.sample ->> 'valence_n' as valence_n,
    kept.sample ->> 'perceived_age_group' as perceived_age_group,
    kept.sample ->> 'perceived_age_group_share' as perceived_age_group_share,
    kept.sample ->> 'perceived_gender' as perceived_gender,
    kept.sample ->> 'perceived_gender_share' as perceived_gender_share,
    kept.sample ->> 'perceived_accent' as perceived_accent,
    kept.sample ->> 'perceived_accent_share' as perceived_accent_share,
    kept.sample ->> 'audio_quality' as audio_quality,
    kept.sample ->> 'background_sounds' as background_sounds,
    kept.sample ->> 'transcription' as transcription,
    kept.sample ->> 'language' as language,
    kept.sample ->> 'audio_description' as audio_description,
    kept.sample ->> 'video_description' as video_description,
    kept.sample ->> 'is_held' as is_held,
    kept.sample ->> 'vocabulary_version' as vocabulary_version,
    kept.sample ->> 'emotion_consensus' as emotion_consensus,
    kept.sample ->> 'emotion_agreement' as emotion_agreement,
    kept.sample ->> 'split' as split,
    kept.sample ->> 'source_id' as source_id,
    kept.sample ->> 'url' as url,
    kept.sample ->> 'title' as title,
    kept.sample ->> 'speaker_group' as speaker_group,
    kept.sample ->> 'licence' as licence,
    kept.sample ->> 'start_s' as start_s,
    kept.sample ->> 'end_s' as end_s,
    kept.sample ->> 'duration_s' as duration_s,
    kept.sample ->> 'peak_dbfs' as peak_dbfs,
    kept.sample ->> 'rms_dbfs' as rms_dbfs,
    kept.sample ->> 'loudness_lufs' as loudness_lufs,
    kept.sample ->> 'loudness_range_lu' as loudness_range_lu,
    kept.sample ->> 'true_peak_dbtp' as true_peak_dbtp,
    kept.sample ->> 'gain_db' as gain_db,
    kept.sample ->> 'clipped_share' as clipped_share,
    kept.sample ->> 'speech_share' as speech_share,
    kept.sample ->> 'longest_pause_s' as longest_pause_s,
    kept.sample ->> 'snr_db' as snr_db,
    kept.sample ->> 'sample_rate_hz' as sample_rate_hz,
    kept.sample ->> 'bandwidth_hz' as bandwidth_hz,
    kept.sample ->> 'n_channels' as n_channels,
    kept.sample ->> 'dc_offset' as dc_offset,
    kept.sample ->> 'has_distinct_channels' as has_distinct_channels,
    kept.sample ->> 'audio_sha256' as audio_sha256,
    sorted.shard_path,
    sorted.place as position,
    sorted.flac_offset_bytes,
    sorted.flac_bytes,
    sorted.json_offset_bytes,
    sorted.json_bytes
from sorted
cross join lateral (
    -- A sample so long that it is compressed is opened once, not for each field that is taken of it.
    select sample.sample || '{}' as sample
    from catalog.sample
    where sample.clip_id = sorted.clip_id and sample.sample_sha256 = sorted.sample_sha256
    offset 0
) as kept
order by sorted.sorted_id
