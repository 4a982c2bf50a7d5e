-- Rejected rows as they stood, the newest file first; of one file, or all.
select
    file,
    line,
    reason,
    raw,
    rejected_at
from catalog.annotation_reject
where file = coalesce(%(file)s, file)
order by rejected_at desc, file collate "C" asc, line asc
limit %(limit)s
