-- Frozen clips with an e-mail address in a text.
select frozen.clip_id
from {batch} as frozen
inner join catalog.release_clip as clip
    on frozen.clip_id = clip.clip_id and clip.version = current_setting('open_empathic.release_version', true)
where
    concat_ws(
        ' ',
        clip.sample ->> 'title',
        clip.sample ->> 'transcription',
        clip.sample ->> 'audio_description',
        clip.sample ->> 'video_description'
    ) ~* '[[:alnum:]._%+-]+@[[:alnum:].-]+[.][[:alpha:]]{{2,}}'
limit 1000
