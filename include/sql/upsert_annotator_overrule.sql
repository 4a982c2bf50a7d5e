insert into catalog.annotator_overrule (annotator_id, state, weight, reason)
select
    annotator_id,
    %(state)s,
    %(weight)s,
    %(reason)s
from catalog.annotator
where annotator_id = %(annotator_id)s
on conflict (annotator_id) do update
    set state = excluded.state,
        weight = excluded.weight,
        reason = excluded.reason,
        decided_at = now()
