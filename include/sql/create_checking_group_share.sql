-- How much of its share of clips each group of the last release has kept; groups of too few clips there say nothing.
create unlogged table checking.group_share as
select
    format(
        '%%s %%s: %%s %%%% of the clips after %%s %%%%', was_in.kind, was_in.name,
        round(100.0 * coalesce(now_in.n_clips, 0) / greatest(size.n_now, 1), 1), round(100.0 * was_in.n_clips / size.n_then, 1)
    ) as name,
    (coalesce(now_in.n_clips, 0) / greatest(size.n_now, 1)::double precision)
    / (was_in.n_clips / size.n_then::double precision) as share_kept
from catalog.release_group as was_in
cross join (
    select
        (select count(*) from checking.release) as n_now,
        (
            (select count(*) from catalog.release_clip where version = %(parent)s)
            + (select count(*) from catalog.release_link where version = %(parent)s)
        ) as n_then
) as size
left join catalog.release_group as now_in
    on was_in.kind = now_in.kind and was_in.name = now_in.name and now_in.version = %(version)s
where was_in.version = %(parent)s and was_in.n_clips >= %(min_clips)s
