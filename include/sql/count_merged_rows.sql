-- Of the rows that this merge added: how many wait for their clip, how many a later row supersedes.
select
    count(*) filter (where clip.clip_id is null) as waiting,
    count(*) filter (where current_annotation.annotation_id is null) as superseded
from merged_annotation
inner join catalog.annotation using (annotation_id)
left join catalog.clip on annotation.clip_id = clip.clip_id
left join catalog.current_annotation on merged_annotation.annotation_id = current_annotation.annotation_id
