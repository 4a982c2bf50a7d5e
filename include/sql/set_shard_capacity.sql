-- Samples in a full shard of each split: as in the parent, unless it had none or all is to be packed anew; else as
-- many clips of mean size as the limits of samples and bytes allow, the same for all shards of the split.
update catalog.release
set shard_capacity = (
    select coalesce(jsonb_object_agg(needed.split, coalesce(kept.capacity, needed.capacity)), '{}')
    from (
        select
            frozen.split,
            greatest(
                1,
                least(
                    %(shard_samples)s::bigint,
                    floor(%(shard_bytes)s / (avg(frozen.audio_bytes) + %(overhead_bytes)s))::bigint
                )
            ) as capacity
        from frozen
        where not frozen.is_link
        group by frozen.split
    ) as needed
    left join (
        select
            kept.key as split,
            kept.value::bigint as capacity
        from catalog.release as parent, jsonb_each_text(parent.shard_capacity) as kept
        where parent.version = %(parent)s and not %(is_compact)s
    ) as kept
        on needed.split = kept.split
)
where version = %(version)s
