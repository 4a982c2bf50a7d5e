-- The ready clip with this very audio, if another has it.
select clip_id
from catalog.clip
where audio_sha256 = %(audio_sha256)s and state = 'ready' and clip_id <> %(clip_id)s
order by ready_at, clip_id
limit 1
