-- The metadata of a source that was known without it is there: its clips are due, also those that ended with it when
-- it could not be had.
update catalog.clip
set
    has_unread_source = false,
    state = case when is_reopened.it then 'candidate' else clip.state end,
    reason = case when is_reopened.it then null else clip.reason end
from catalog.source
inner join catalog.clip as unread using (source_id)
cross join lateral (
    select unread.state in ('rejected', 'gone') and unread.reason is not distinct from source.refusal as it
) as is_reopened
where source.source_id = %(source_id)s and source.is_unread and clip.clip_id = unread.clip_id
