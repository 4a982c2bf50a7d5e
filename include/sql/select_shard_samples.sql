select clip_id, audio_sha256, sample
from catalog.released_clip
where version = %(version)s and split = %(split)s and shard = %(shard)s
order by position
