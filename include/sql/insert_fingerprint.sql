insert into catalog.source_fingerprint (source_id, fingerprint, landmarks)
values (%(source_id)s, %(fingerprint)s, %(landmarks)s)
on conflict (source_id) do nothing
