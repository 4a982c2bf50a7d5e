-- A manifest's source whose metadata could be had after all: its clips are candidates again.
update catalog.clip
set state = 'candidate', reason = null
from catalog.source
where
    source.source_id = %(source_id)s
    and source.is_unread
    and clip.source_id = source.source_id
    and clip.state in ('rejected', 'gone')
    and clip.reason = source.refusal
