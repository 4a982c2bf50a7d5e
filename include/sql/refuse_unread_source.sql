-- A source that is known without its metadata, which can't be had: its clips end with it, and get the reason.
with
refused as (
    update catalog.source
    set refusal = %(reason)s
    where source_id = %(source_id)s and is_unread
    returning source_id
)

update catalog.clip
set state = %(state)s, reason = %(reason)s, retry_at = null
from refused
where clip.source_id = refused.source_id and clip.state in ('candidate', 'failed')
