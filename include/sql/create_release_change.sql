-- Clips that a release has and its parent has not, that both have but not alike, that only the parent has.
create temporary table release_change on commit drop as
select
    coalesce(now_in.clip_id, was_in.clip_id) as clip_id,
    case when was_in.clip_id is null then 'added' when now_in.clip_id is null then 'removed' else 'changed' end as change,
    now_in.sample_sha256 as sha256_now,
    was_in.sample_sha256 as sha256_then
from (select clip_id, sample_sha256 from catalog.release_clip where version = %(version)s) as now_in
full join (select clip_id, sample_sha256 from catalog.release_clip where version = %(parent)s) as was_in
    on now_in.clip_id = was_in.clip_id
where now_in.sample_sha256 is distinct from was_in.sample_sha256
