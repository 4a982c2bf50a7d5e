-- Weight and state as the evidence has them, unless a person decided otherwise. A correlation below 0 weighs
-- nothing, as does the lack of one over enough ratings: whoever always says the same tells nothing.
update catalog.annotator
set state = coalesce(overrule.state, evidence.state, 'new'),
    weight = coalesce(overrule.weight, evidence.weight, 1),
    arousal_weight = coalesce(
        overrule.weight,
        case when evidence.arousal_n >= 10 then greatest(coalesce(evidence.arousal_correlation, 0), 0) end
    ),
    valence_weight = coalesce(
        overrule.weight,
        case when evidence.valence_n >= 10 then greatest(coalesce(evidence.valence_correlation, 0), 0) end
    )
from annotator_to_renew
left join catalog.annotator_evidence as evidence using (annotator_id)
left join catalog.annotator_overrule as overrule using (annotator_id)
where annotator.annotator_id = annotator_to_renew.annotator_id
