select distinct split, shard
from catalog.release_clip
where version = %(version)s
order by split, shard
