insert into catalog.clip (clip_id, source_id, start_ms, end_ms)
values (%(clip_id)s, %(source_id)s, %(start_ms)s, %(end_ms)s)
on conflict (clip_id) do nothing
