-- One JSON object a clip: its sample, and the columns of clips.parquet that are not in it. Maps are the text of their
-- object: Arrow's reader of JSON has none. A place that a clip has left is not counted: `position` is that of the sample
-- in its shard.
with
placed as (
    select
        clip_id,
        row_number() over (partition by split, shard order by position) - 1 as position
    from catalog.release_clip
    where version = %(version)s
),

-- Each of these steps is done before the next one begins, which is what `offset 0` says: rows are sorted while the
-- sample is still compressed, and it is opened once, which `|| '{}'` does, not for each field that is taken of it.
sorted as (
    select
        release_clip.*,
        release_shard.path as shard_path,
        placed.position as place
    from catalog.release_clip
    inner join placed on release_clip.clip_id = placed.clip_id
    inner join catalog.release_shard
        on
            release_clip.version = release_shard.version
            and release_clip.split = release_shard.split
            and release_clip.shard = release_shard.shard
    where release_clip.version = %(version)s
    order by release_clip.clip_id collate "C"
    offset 0
),

opened as (
    select
        sorted.*,
        sorted.sample || '{}' as content
    from sorted
    offset 0
)

select
    json_build_object(
        'sample', content,
        'emotion_votes', (content -> 'emotion_votes')::text,
        'word_votes', (content -> 'word_votes')::text,
        'emotion_soft', (content -> 'emotion_soft')::text,
        'shard_path', shard_path,
        'position', place,
        'flac_offset_bytes', flac_offset_bytes,
        'flac_bytes', flac_bytes,
        'json_offset_bytes', json_offset_bytes,
        'json_bytes', json_bytes
    ) as record
from opened
order by clip_id collate "C"
