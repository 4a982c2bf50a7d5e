-- A held source, if anything of it is due.
select
    source_id,
    url,
    is_to_cut
from catalog.source
where
    source_id = %(source_id)s
    and (
        (is_to_cut and (retry_at is null or retry_at <= now()))
        or exists (
            select 1
            from catalog.clip
            where
                clip.source_id = source.source_id
                and (clip.state = 'candidate' or (clip.state = 'failed' and clip.retry_at <= now()))
        )
    )
