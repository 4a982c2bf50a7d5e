select split, shard, path, n_samples, bytes, sha256, reused_from
from catalog.release_shard
where version = %(version)s
order by split, shard
