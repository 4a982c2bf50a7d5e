-- Of the rows that this merge added: how many wait for their clip, how many a later row supersedes, and how many
-- hold what looks personal in a text.
select
    count(*) filter (where clip.clip_id is null) as waiting,
    count(*) filter (
        where exists (
            select 1
            from catalog.annotation as later
            where
                later.clip_id = merged.clip_id
                and later.annotator_id = merged.annotator_id
                and (later.submitted_at, later.annotation_id) > (merged.submitted_at, merged.annotation_id)
        )
    ) as superseded,
    count(*) filter (where merged.flagged_fields <> '{}') as flagged
from merged_annotation as merged
left join catalog.clip on merged.clip_id = clip.clip_id
