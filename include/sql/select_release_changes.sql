-- Clips of one kind in table `release_change`; of changed ones, the fields that differ.
select
    release_change.clip_id,
    case when release_change.change = 'changed'
        then (
            select array_agg(key order by key collate "C")
            from
                catalog.sample as now_in,
                catalog.sample as was_in,
                jsonb_object_keys(now_in.sample || was_in.sample) as key
            where
                now_in.clip_id = release_change.clip_id
                and now_in.sample_sha256 = release_change.sha256_now
                and was_in.clip_id = release_change.clip_id
                and was_in.sample_sha256 = release_change.sha256_then
                and now_in.sample -> key is distinct from was_in.sample -> key
        )
    end as fields
from release_change
where release_change.change = %(change)s
order by release_change.clip_id collate "C"
