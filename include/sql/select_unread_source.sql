select
    source_id,
    url
from catalog.source
where source_id = %(source_id)s and is_unread
