-- Ready clips without audio, length or source.
select ready.clip_id
from {batch} as ready
left join catalog.source on ready.source_id = source.source_id
where ready.state = 'ready' and (ready.audio_sha256 is null or ready.duration_s is null or source.source_id is null)
limit 1000
