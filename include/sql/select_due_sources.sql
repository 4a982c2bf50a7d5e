-- Sources with something to transcode: clips that wait or whose next try is due, or that are yet to be cut.
-- With only_retries, none that were never tried. Never one whose metadata was not read. Found through the partial
-- indexes, so the cost follows what is due, not what is known.
select
    due_source.source_id,
    source.duration_s
from (
    select
        source_id,
        min(first_seen_at) as first_seen_at
    from (
        select
            clip.source_id,
            clip.first_seen_at
        from catalog.clip
        where
            (clip.state = 'candidate' and not %(only_retries)s)
            or (clip.state = 'failed' and clip.retry_at <= now())
        union all
        select
            source.source_id,
            source.first_seen_at
        from catalog.source
        where
            source.is_to_cut
            and ((source.retry_at is null and not %(only_retries)s) or source.retry_at <= now())
    ) as due_row
    group by source_id
) as due_source
inner join catalog.source using (source_id)
where not source.is_unread
order by due_source.first_seen_at, due_source.source_id
limit %(limit)s
