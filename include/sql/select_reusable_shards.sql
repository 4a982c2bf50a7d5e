-- Those of some shards that the parent has under the same number, with the same samples in the same order.
select
    release.version,
    earlier.split,
    earlier.shard,
    earlier.path,
    earlier.n_samples,
    earlier.bytes,
    earlier.sha256,
    earlier.xxh3_128
from unnest(%(splits)s::text [], %(shards)s::integer []) as asked (split, shard)
inner join catalog.release as current_release on current_release.version = %(version)s
inner join catalog.release on current_release.parent = release.version and release.state = 'published'
inner join catalog.release_shard as earlier
    on release.version = earlier.version and asked.split = earlier.split and asked.shard = earlier.shard
where
    (
        select array_agg(c.clip_id || c.sample_sha256 order by c.position)
        from catalog.release_clip as c
        where c.version = %(version)s and c.split = asked.split and c.shard = asked.shard
    ) = (
        select array_agg(c.clip_id || c.sample_sha256 order by c.position)
        from catalog.release_clip as c
        where c.version = release.version and c.split = asked.split and c.shard = asked.shard
    )
