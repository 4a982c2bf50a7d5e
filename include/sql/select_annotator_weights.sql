select
    annotator_id,
    weight,
    coalesce(arousal_weight, weight) as arousal_weight,
    coalesce(valence_weight, weight) as valence_weight,
    state = 'blocked' as is_blocked
from catalog.annotator
where annotator_id = any(%(annotator_ids)s)
