-- The clips of annotators who were blocked or let in again since the labels were made; the annotators are marked.
with recounted as (
    update catalog.annotator
    set is_counted = (state <> 'blocked')
    where is_counted <> (state <> 'blocked')
    returning annotator_id
)

insert into touched_clip
select distinct annotation.clip_id
from recounted
inner join catalog.annotation using (annotator_id)
on conflict (clip_id) do nothing
