-- All that was said of a clip, the newest first, superseded rows included.
select
    annotation.*,
    latest.annotation_id is null as is_superseded
from catalog.annotation
left join (select annotation_id from catalog.current_annotation where clip_id = %(clip_id)s) as latest
    using (annotation_id)
where annotation.clip_id = %(clip_id)s
order by annotation.submitted_at desc, annotation.annotation_id
