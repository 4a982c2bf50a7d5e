-- Staged rows that the catalog has not yet, their annotators first; what is new is remembered for the labels.
with
new_annotator as (
    insert into catalog.annotator (annotator_id)
    select distinct annotator_id from staged_annotation
    on conflict (annotator_id) do nothing
),

new_row as (
    insert into catalog.annotation
    select distinct on (annotation_id) * from staged_annotation
    order by annotation_id, file, line
    on conflict (annotation_id) do nothing
    returning annotation_id, clip_id, annotator_id
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
select annotation_id from new_row
