-- The clips of the newest annotations of each annotator to renew, in batches that fit into memory.
create temporary table judged_clip on commit drop as
select
    clip_id,
    (row_number() over (order by clip_id) - 1) / %(clips_at_once)s as batch
from (
    select distinct said.clip_id
    from annotator_to_renew
    cross join lateral (
        select annotation.clip_id
        from catalog.annotation
        where annotation.annotator_id = annotator_to_renew.annotator_id
        order by annotation.submitted_at desc, annotation.annotation_id desc
        limit %(window)s
    ) as said
) as recent
