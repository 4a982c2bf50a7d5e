-- Which blocks there are, how many annotations they hold, and how many there are.
select
    coalesce(array_agg(block_id order by block_id), '{}') as block_ids,
    coalesce(sum(n_rows), 0)::bigint as n_kept,
    (select count(*) from catalog.annotation) as n_rows
from catalog.annotation_block
