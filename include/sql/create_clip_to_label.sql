-- The clips of {clips}, in batches that fit into memory.
create temporary table clip_to_label on commit drop as
select
    clip_id,
    (row_number() over (order by clip_id) - 1) / %(clips_at_once)s as batch
from (select distinct clip_id from {clips}) as chosen
