-- Frozen clips that nobody transcribed.
select frozen.clip_id
from {batch} as frozen
inner join catalog.release_clip as clip
    on frozen.clip_id = clip.clip_id and clip.version = current_setting('open_empathic.release_version', true)
where clip.sample ->> 'transcription' is null
limit 1000
