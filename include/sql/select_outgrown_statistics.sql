-- A row if what the planner knows of annotations is older than a fifth of them; that takes it a second to learn anew.
select 1 as is_outgrown
from pg_catalog.pg_class
where oid = 'catalog.annotation'::regclass and 5 * %(n_new)s >= reltuples
