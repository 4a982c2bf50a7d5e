insert into catalog.gold_answer
(clip_id, families, arousal_min, arousal_max, valence_min, valence_max, note)
values
(
    %(clip_id)s, %(families)s, %(arousal_min)s, %(arousal_max)s, %(valence_min)s, %(valence_max)s, %(note)s
)
on conflict (clip_id) do update
    set families = excluded.families,
        arousal_min = excluded.arousal_min,
        arousal_max = excluded.arousal_max,
        valence_min = excluded.valence_min,
        valence_max = excluded.valence_max,
        note = excluded.note
