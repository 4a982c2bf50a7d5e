-- Rows of clips.parquet as Postgres writes rows, each one text: what the sample of each clip says, lists and maps as JSON,
-- and where it lies. A place that a clip has left is not counted: `position` is that of the sample in its shard.
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

-- `offset 0`: rows are sorted before they have their lines.
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
    concat_ws(
        ',', sorted.clip_id, kept.line, sorted.shard_path, sorted.place, coalesce(sorted.flac_offset_bytes::text, ''),
        coalesce(sorted.flac_bytes::text, ''), coalesce(sorted.json_offset_bytes::text, ''),
        coalesce(sorted.json_bytes::text, '')
    )
from sorted
cross join lateral (
    select sample_row.line
    from catalog.sample_row
    where sample_row.clip_id = sorted.clip_id and sample_row.sample_sha256 = sorted.sample_sha256
    offset 0
) as kept
order by sorted.sorted_id
