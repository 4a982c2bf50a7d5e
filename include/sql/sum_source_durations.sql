-- How much audio some sources are said to have; a length that nobody knows counts as `unknown_s`.
select coalesce(sum(coalesce(duration_s, %(unknown_s)s)), 0) as audio_s
from catalog.source
where source_id = any(%(source_ids)s)
