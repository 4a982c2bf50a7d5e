insert into catalog.vocabulary (version, word, family, current_word)
values (%s, %s, %s, %s)
on conflict (version, word) do update
    set family = excluded.family,
        current_word = excluded.current_word
where (vocabulary.family, vocabulary.current_word) is distinct from (excluded.family, excluded.current_word)
