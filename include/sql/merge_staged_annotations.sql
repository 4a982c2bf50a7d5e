-- Staged rows that the catalog has not yet, their annotators first; what is new is remembered for the labels.
-- By clip, as the index has them: the rows of a file then meet on few of its pages.
with
new_annotator as (
    insert into catalog.annotator (annotator_id)
    select distinct annotator_id from staged_annotation
    on conflict (annotator_id) do nothing
),

new_row as (
    insert into catalog.annotation
    select distinct on (clip_id, annotator_id, submitted_at, annotation_id) * from staged_annotation
    order by clip_id, annotator_id, submitted_at, annotation_id, file, line
    on conflict (clip_id, annotator_id, submitted_at, annotation_id) do nothing
    returning *
),

touched as (
    insert into touched_clip
    select distinct clip_id from new_row
    on conflict (clip_id) do nothing
),

fresh as (
    insert into fresh_annotator
    select distinct annotator_id from new_row
    on conflict (annotator_id) do nothing
)

insert into merged_annotation
select * from new_row
