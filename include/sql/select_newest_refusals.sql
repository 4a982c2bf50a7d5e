select *
from catalog.refusal
order by refused_at desc, what asc, id asc
limit %(limit)s
