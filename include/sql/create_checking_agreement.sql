-- How far each field's alpha lies below the last release's; fields with too few clips in either say nothing.
create unlogged table checking.agreement as
select
    format('%%s: %%s after %%s', now_in.field, round(now_in.alpha::numeric, 3), round(was_in.alpha::numeric, 3)) as name,
    was_in.alpha - now_in.alpha as alpha_lost
from catalog.release_agreement as now_in
inner join catalog.release_agreement as was_in on now_in.field = was_in.field and was_in.version = %(parent)s
where now_in.version = %(version)s and least(now_in.n_clips, was_in.n_clips) >= %(min_clips)s
