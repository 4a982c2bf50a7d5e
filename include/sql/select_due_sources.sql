-- Sources with something to transcode: clips that wait or whose next try is due, or that are yet to be cut.
-- With only_retries, none that were never tried. Never one whose metadata was not read. Each kind is found through a
-- partial index of its own, so the cost follows what is due, not what is known.
select
    due_source.source_id,
    source.duration_s
from (
    select
        source_id,
        min(first_seen_at) as first_seen_at
    from (
        select
            source_id,
            first_seen_at
        from catalog.clip
        where state = 'candidate' and not has_unread_source and not %(only_retries)s
        union all
        select
            source_id,
            first_seen_at
        from catalog.clip
        where state = 'failed' and retry_at <= now()
        union all
        select
            source_id,
            first_seen_at
        from catalog.source
        where is_to_cut and retry_at is null and not %(only_retries)s
        union all
        select
            source_id,
            first_seen_at
        from catalog.source
        where is_to_cut and retry_at <= now()
    ) as due_row
    group by source_id
) as due_source
inner join catalog.source using (source_id)
where not source.is_unread
order by due_source.first_seen_at, due_source.source_id
limit %(limit)s
