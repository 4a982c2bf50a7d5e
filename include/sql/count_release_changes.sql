-- How many clips a release added, changed and removed against its parent, with the first few of each kind.
select
    change,
    count(*) as n_clips,
    array_agg(clip_id order by clip_id collate "C") filter (where place <= %(max_ids)s) as clip_ids
from (
    select
        clip_id,
        change,
        row_number() over (partition by change order by clip_id collate "C") as place
    from (
        select
            coalesce(now_in.clip_id, was_in.clip_id) as clip_id,
            case
                when was_in.clip_id is null then 'added'
                when now_in.clip_id is null then 'removed'
                else 'changed'
            end as change
        from (select clip_id, sample_sha256 from catalog.release_clip where version = %(version)s) as now_in
        full join (select clip_id, sample_sha256 from catalog.release_clip where version = %(parent)s) as was_in
            on now_in.clip_id = was_in.clip_id
        where now_in.sample_sha256 is distinct from was_in.sample_sha256
    ) as moved
) as placed
group by change
