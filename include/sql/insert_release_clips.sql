-- The frozen clips, each in its place. A clip that the parent has keeps its shard and its place. New ones follow the
-- last one of their split, by clip id, into the tail and then into shards of their own. A place that a clip has left
-- stays empty. Members of a sample that has not changed are taken to lie where they lay, until its shard is built.
insert into catalog.release_clip (
    version, clip_id, split, shard, position, audio_sha256, sample_sha256, flac_offset_bytes, flac_bytes,
    json_offset_bytes, json_bytes
)
with
capacity as (
    select
        capacity.key as split,
        capacity.value::integer as n_samples
    from catalog.release, jsonb_each_text(release.shard_capacity) as capacity
    where release.version = %(version)s
),

placed as materialized (
    select
        frozen.clip_id,
        frozen.split,
        frozen.audio_sha256,
        frozen.sample_sha256,
        earlier.shard,
        earlier.position,
        earlier.flac_offset_bytes,
        earlier.flac_bytes,
        earlier.json_offset_bytes,
        earlier.json_bytes
    from frozen
    left join catalog.release_clip as earlier
        on
            frozen.clip_id = earlier.clip_id
            and frozen.split = earlier.split
            and earlier.version = %(parent)s
            and not %(is_compact)s
    where not frozen.is_link
),

filled as (
    select
        placed.split,
        max(placed.shard * capacity.n_samples + placed.position) + 1 as n_slots
    from placed
    inner join capacity on placed.split = capacity.split
    group by placed.split
),

added as (
    select
        placed.*,
        capacity.n_samples,
        coalesce(filled.n_slots, 0)
        + row_number() over (partition by placed.split order by placed.clip_id collate "C") - 1 as slot
    from placed
    inner join filled on placed.split = filled.split
    inner join capacity on placed.split = capacity.split
    where placed.shard is null
)

select
    %(version)s,
    planned.*
from (
    select
        placed.clip_id,
        placed.split,
        placed.shard,
        placed.position,
        placed.audio_sha256,
        placed.sample_sha256,
        placed.flac_offset_bytes,
        placed.flac_bytes,
        placed.json_offset_bytes,
        placed.json_bytes
    from placed
    where placed.shard is not null
    union all
    select
        added.clip_id,
        added.split,
        (added.slot / added.n_samples)::integer,
        (added.slot %% added.n_samples)::integer,
        added.audio_sha256,
        added.sample_sha256,
        null,
        null,
        null,
        null
    from added
) as planned
-- In the order in which samples lie, and rows of the next release after it.
order by planned.clip_id collate "C"
