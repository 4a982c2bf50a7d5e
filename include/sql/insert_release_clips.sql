-- The frozen clips, each in its place. A clip that the parent has keeps its shard and its place. New ones follow the
-- last one of their split, by clip id, into the tail and then into shards of their own. A place that a clip has left
-- stays empty.
insert into catalog.release_clip (version, clip_id, split, shard, position, audio_sha256, sample, sample_sha256)
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
        earlier.shard,
        earlier.position
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
        placed.clip_id,
        placed.split,
        coalesce(filled.n_slots, 0)
        + row_number() over (partition by placed.split order by placed.clip_id collate "C") - 1 as slot
    from placed
    inner join filled on placed.split = filled.split
    where placed.shard is null
),

planned as (
    select
        placed.clip_id,
        placed.shard,
        placed.position
    from placed
    where placed.shard is not null
    union all
    select
        added.clip_id,
        (added.slot / capacity.n_samples)::integer as shard,
        (added.slot %% capacity.n_samples)::integer as position
    from added
    inner join capacity on added.split = capacity.split
)

select
    %(version)s,
    frozen.clip_id,
    frozen.split,
    planned.shard,
    planned.position,
    frozen.audio_sha256,
    frozen.sample,
    frozen.sample_sha256
from frozen
inner join planned on frozen.clip_id = planned.clip_id
