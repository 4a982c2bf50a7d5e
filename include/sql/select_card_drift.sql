-- Each group's share of the clips in a release and in the one before it; none, if that has no counts.
select
    kind,
    name,
    coalesce(now_in.n_clips, 0) / size.n_now::double precision as share_now,
    coalesce(was_in.n_clips, 0) / size.n_then::double precision as share_then
from (select * from catalog.release_group where version = %(version)s) as now_in
full join (select * from catalog.release_group where version = %(parent)s) as was_in using (kind, name)
cross join (
    select
        greatest(
            (select count(*) from catalog.release_clip where version = %(version)s)
            + (select count(*) from catalog.release_link where version = %(version)s), 1
        ) as n_now,
        greatest(
            (select count(*) from catalog.release_clip where version = %(parent)s)
            + (select count(*) from catalog.release_link where version = %(parent)s), 1
        ) as n_then
) as size
where exists (select 1 from catalog.release_group where version = %(parent)s)
order by kind collate "C", name collate "C"
