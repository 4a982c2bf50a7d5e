-- Clips with the audio of another one.
select clip_id, audio_sha256
from {batch}
where audio_sha256 in (select audio_sha256 from checking.repeated_audio)
order by clip_id
