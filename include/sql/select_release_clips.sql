-- One JSON object a clip: its sample, and the columns of clips.parquet that are not in it. Maps are the text of their
-- object: Arrow's reader of JSON has none. A place that a clip has left is not counted: `position` is that of the sample
-- in its shard.
with
placed as (
    select
        release_clip.*,
        row_number() over (partition by split, shard order by position) - 1 as place
    from catalog.release_clip
    where version = %(version)s
),

-- `offset 0`: rows are sorted before they have their samples.
sorted as (
    select
        placed.*,
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
    json_build_object(
        'sample', kept.sample,
        'emotion_votes', (kept.sample -> 'emotion_votes')::text,
        'word_votes', (kept.sample -> 'word_votes')::text,
        'emotion_soft', (kept.sample -> 'emotion_soft')::text,
        'shard_path', sorted.shard_path,
        'position', sorted.place,
        'flac_offset_bytes', sorted.flac_offset_bytes,
        'flac_bytes', sorted.flac_bytes,
        'json_offset_bytes', sorted.json_offset_bytes,
        'json_bytes', sorted.json_bytes
    ) as record
from sorted
cross join lateral (
    select sample.sample || '{}' as sample
    from catalog.sample
    where sample.clip_id = sorted.clip_id and sample.sample_sha256 = sorted.sample_sha256
    offset 0
) as kept
order by sorted.sorted_id
