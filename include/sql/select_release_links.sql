select sample
from catalog.release_link
where version = %(version)s
order by clip_id collate "C"
