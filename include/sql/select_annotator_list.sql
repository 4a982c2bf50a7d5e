-- Annotators in one line each, the least believed first; of one state, or all.
select
    annotator.annotator_id,
    annotator.state,
    annotator.weight,
    coalesce(evidence.n_annotations, 0) as n_annotations,
    coalesce(evidence.signals, '{}') as signals,
    overrule.reason as decided
from catalog.annotator
left join catalog.annotator_evidence as evidence using (annotator_id)
left join catalog.annotator_overrule as overrule using (annotator_id)
where annotator.state = coalesce(%(state)s, annotator.state)
order by
    array_position(array['blocked', 'watched', 'new', 'trusted'], annotator.state),
    annotator.weight,
    annotator.annotator_id collate "C"
limit %(limit)s
