-- Of the rows that this merge added: how many wait for their clip, how many a later row supersedes, and how many
-- hold what looks personal in a text.
select
    count(*) filter (where clip.clip_id is null) as waiting,
    count(*) filter (
        where exists (
            select 1
            from catalog.annotation as later
            where
                later.clip_id = annotation.clip_id
                and later.annotator_id = annotation.annotator_id
                and (later.submitted_at, later.annotation_id) > (annotation.submitted_at, annotation.annotation_id)
        )
    ) as superseded,
    count(*) filter (where annotation.flagged_fields <> '{}') as flagged
from merged_annotation
inner join catalog.annotation using (annotation_id)
left join catalog.clip on annotation.clip_id = clip.clip_id
