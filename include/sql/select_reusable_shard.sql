-- The parent's shard of the same number, if it holds the same samples in the same order.
select
    release.version,
    earlier.path,
    earlier.n_samples,
    earlier.bytes,
    earlier.sha256
from catalog.release as current_release
inner join catalog.release on current_release.parent = release.version and release.state = 'published'
inner join catalog.release_shard as earlier on release.version = earlier.version
where
    current_release.version = %(version)s
    and earlier.split = %(split)s
    and earlier.shard = %(shard)s
    and (
        select array_agg(c.clip_id || c.sample_sha256 order by c.position)
        from catalog.release_clip as c
        where c.version = %(version)s and c.split = %(split)s and c.shard = %(shard)s
    ) = (
        select array_agg(c.clip_id || c.sample_sha256 order by c.position)
        from catalog.release_clip as c
        where c.version = release.version and c.split = %(split)s and c.shard = %(shard)s
    )
