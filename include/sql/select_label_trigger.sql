-- How the trigger is made that notes new labels.
select pg_get_triggerdef(oid) as definition
from pg_trigger
where tgrelid = 'catalog.label'::regclass and tgname = 'coverage_inserted'
