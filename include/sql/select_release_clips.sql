-- One JSON object a clip, in the columns of clips.parquet. Maps are lists of pairs, as Arrow's reader of JSON takes
-- them. A place that a clip has left is not counted: `position` is that of the sample in its shard.
with
placed as (
    select
        clip_id,
        row_number() over (partition by split, shard order by position) - 1 as position
    from catalog.release_clip
    where version = %(version)s
)

select
    (
        release_clip.sample
        || jsonb_build_object(
            'emotion_votes', catalog.pairs(release_clip.sample -> 'emotion_votes'),
            'word_votes', catalog.pairs(release_clip.sample -> 'word_votes'),
            'emotion_soft', catalog.pairs(release_clip.sample -> 'emotion_soft'),
            'shard_path', release_shard.path,
            'position', placed.position,
            'flac_offset_bytes', release_clip.flac_offset_bytes,
            'flac_bytes', release_clip.flac_bytes,
            'json_offset_bytes', release_clip.json_offset_bytes,
            'json_bytes', release_clip.json_bytes
        )
    )::text as record
from catalog.release_clip
inner join placed on release_clip.clip_id = placed.clip_id
inner join catalog.release_shard
    on
        release_clip.version = release_shard.version
        and release_clip.split = release_shard.split
        and release_clip.shard = release_shard.shard
where release_clip.version = %(version)s
order by release_clip.clip_id collate "C"
