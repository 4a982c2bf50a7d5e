-- Clips that a release has and its parent has not, that both have but not alike, that only the parent has.
select
    coalesce(now_in.clip_id, was_in.clip_id) as clip_id,
    case
        when was_in.clip_id is null then 'added'
        when now_in.clip_id is null then 'removed'
        else 'changed'
    end as change,
    (
        select array_agg(key order by key collate "C")
        from jsonb_object_keys(now_in.sample || was_in.sample) as key
        where now_in.sample -> key is distinct from was_in.sample -> key
    ) as fields
from (select * from catalog.release_clip where version = %(version)s) as now_in
full join (select * from catalog.release_clip where version = %(parent)s) as was_in
    on now_in.clip_id = was_in.clip_id
where now_in.sample_sha256 is distinct from was_in.sample_sha256
order by coalesce(now_in.clip_id, was_in.clip_id) collate "C"
