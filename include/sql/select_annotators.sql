select
    annotator.annotator_id,
    annotator.state,
    annotator.weight,
    annotator.arousal_weight,
    annotator.valence_weight,
    to_jsonb(evidence) - 'annotator_id' as evidence,
    to_jsonb(overrule) - 'annotator_id' as overrule
from catalog.annotator
left join catalog.annotator_evidence as evidence using (annotator_id)
left join catalog.annotator_overrule as overrule using (annotator_id)
where annotator.annotator_id = coalesce(%(annotator_id)s, annotator.annotator_id)
order by annotator.weight, annotator.annotator_id
