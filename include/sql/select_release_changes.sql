-- Clips that a release has and its parent has not, that both have but not alike, that only the parent has.
with
changed as materialized (
    select
        coalesce(now_in.clip_id, was_in.clip_id) as clip_id,
        now_in.clip_id is null as is_removed,
        was_in.clip_id is null as is_added
    from (select clip_id, sample_sha256 from catalog.release_clip where version = %(version)s) as now_in
    full join (select clip_id, sample_sha256 from catalog.release_clip where version = %(parent)s) as was_in
        on now_in.clip_id = was_in.clip_id
    where now_in.sample_sha256 is distinct from was_in.sample_sha256
)

select
    changed.clip_id,
    case when changed.is_added then 'added' when changed.is_removed then 'removed' else 'changed' end as change,
    case
        when not (changed.is_added or changed.is_removed)
            then (
                select array_agg(key order by key collate "C")
                from
                    catalog.release_clip as now_in,
                    catalog.release_clip as was_in,
                    jsonb_object_keys(now_in.sample || was_in.sample) as key
                where
                    now_in.version = %(version)s
                    and now_in.clip_id = changed.clip_id
                    and was_in.version = %(parent)s
                    and was_in.clip_id = changed.clip_id
                    and now_in.sample -> key is distinct from was_in.sample -> key
            )
    end as fields
from changed
order by changed.clip_id collate "C"
