insert into catalog.hold_decision (clip_id, is_held, reason)
select
    clip_id,
    %(is_held)s,
    %(reason)s
from catalog.label
where clip_id = %(clip_id)s
on conflict (clip_id) do update
    set is_held = excluded.is_held,
        reason = excluded.reason,
        decided_at = excluded.decided_at
