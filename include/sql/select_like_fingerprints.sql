-- Fingerprints of other sources that share landmarks with this one, those that share the most first.
select
    other.source_id,
    other.fingerprint
from catalog.source_fingerprint as other
where other.landmarks && %(landmarks)s::integer[] and other.source_id <> %(source_id)s
order by
    (select count(*) from unnest(other.landmarks) as mark where mark = any(%(landmarks)s::integer[])) desc,
    other.taken_at asc,
    other.source_id asc
limit 20
