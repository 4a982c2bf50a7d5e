insert into catalog.release_shard (version, split, shard, path, n_samples, bytes, sha256, xxh3_128, reused_from)
values (
    %(version)s, %(split)s, %(shard)s, %(path)s, %(n_samples)s, %(bytes)s, %(sha256)s, %(xxh3_128)s,
    %(reused_from)s
)
on conflict (version, split, shard) do update
    set path = excluded.path, n_samples = excluded.n_samples, bytes = excluded.bytes, sha256 = excluded.sha256,
    xxh3_128 = excluded.xxh3_128, reused_from = excluded.reused_from
