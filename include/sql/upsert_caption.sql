insert into catalog.caption (source_id, language, is_automatic, lines)
values (%(source_id)s, %(language)s, %(is_automatic)s, %(lines)s)
on conflict (source_id) do update
    set language = excluded.language,
        is_automatic = excluded.is_automatic,
        lines = excluded.lines
