-- All that was said of a clip, the newest first, superseded rows included.
select
    annotation.*,
    current_annotation.annotation_id is null as is_superseded
from catalog.annotation
left join catalog.current_annotation using (annotation_id)
where annotation.clip_id = %(clip_id)s
order by annotation.submitted_at desc, annotation.annotation_id
