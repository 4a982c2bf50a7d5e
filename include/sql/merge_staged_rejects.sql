insert into catalog.annotation_reject
select distinct on (reject_id) * from staged_reject
order by reject_id, file, line
on conflict (reject_id) do nothing
