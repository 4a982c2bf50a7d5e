insert into catalog.annotator_evidence
select * from staged_evidence
on conflict (annotator_id) do update
    set n_annotations = excluded.n_annotations,
        n_questions = excluded.n_questions,
        informedness = excluded.informedness,
        arousal_correlation = excluded.arousal_correlation,
        arousal_n = excluded.arousal_n,
        valence_correlation = excluded.valence_correlation,
        valence_n = excluded.valence_n,
        n_gold = excluded.n_gold,
        n_gold_right = excluded.n_gold_right,
        n_timed = excluded.n_timed,
        fast_share = excluded.fast_share,
        same_share = excluded.same_share,
        n_described = excluded.n_described,
        pasted_share = excluded.pasted_share,
        signals = excluded.signals,
        state = excluded.state,
        weight = excluded.weight,
        renewed_at = now()
