-- A clip that the parent has keeps its shard and its place. New ones follow the last one of their split, by clip id,
-- into the tail and then into shards of their own. A place that a clip has left stays empty.
with
capacity as (
    select
        capacity.key as split,
        capacity.value::integer as n_samples
    from catalog.release, jsonb_each_text(release.shard_capacity) as capacity
    where release.version = %(version)s
),

kept as (
    select
        frozen.clip_id,
        frozen.split,
        earlier.shard,
        earlier.position
    from catalog.release_clip as frozen
    inner join catalog.release_clip as earlier
        on frozen.clip_id = earlier.clip_id and frozen.split = earlier.split and earlier.version = %(parent)s
    where frozen.version = %(version)s and not %(is_compact)s
),

filled as (
    select
        kept.split,
        max(kept.shard * capacity.n_samples + kept.position) + 1 as n_slots
    from kept
    inner join capacity on kept.split = capacity.split
    group by kept.split
),

added as (
    select
        frozen.clip_id,
        frozen.split,
        coalesce(filled.n_slots, 0)
        + row_number() over (partition by frozen.split order by frozen.clip_id collate "C") - 1 as slot
    from catalog.release_clip as frozen
    left join filled on frozen.split = filled.split
    left join kept on frozen.clip_id = kept.clip_id
    where frozen.version = %(version)s and kept.clip_id is null
),

planned as (
    select
        kept.clip_id,
        kept.shard,
        kept.position
    from kept
    union all
    select
        added.clip_id,
        (added.slot / capacity.n_samples)::integer as shard,
        (added.slot %% capacity.n_samples)::integer as position
    from added
    inner join capacity on added.split = capacity.split
)

update catalog.release_clip
set shard = planned.shard, position = planned.position
from planned
where release_clip.version = %(version)s and release_clip.clip_id = planned.clip_id
