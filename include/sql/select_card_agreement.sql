-- How far raters of a release agree, by field, the most agreed on first.
select
    field,
    level,
    alpha,
    n_clips
from catalog.release_agreement
where version = %(version)s
order by alpha desc nulls last, field collate "C"
