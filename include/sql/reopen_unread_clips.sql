-- The metadata of a source that was known without it is there: its clips are due, also those that ended with it when
-- it could not be had.
update catalog.clip
set
    has_unread_source = false,
    state = case when ended.with_source then 'candidate' else clip.state end,
    reason = case when ended.with_source then null else clip.reason end
from catalog.clip as unread
cross join lateral (
    select unread.state in ('rejected', 'gone') and unread.reason is not distinct from %(refusal)s as with_source
) as ended
where unread.source_id = %(source_id)s and clip.clip_id = unread.clip_id
