-- Sources whose metadata is to be read, each with the addresses of its clips. Not those that wait for another try:
-- these are due by their address. An address may have been read before the source was named by it.
select array_agg(
    unread.url || '#t=' || trim_scale(clip.start_ms / 1000.0) || ',' || trim_scale(clip.end_ms / 1000.0)
    order by clip.start_ms, clip.end_ms
) as given
from (
    select
        source_id,
        url
    from catalog.source
    where
        is_unread
        and refusal is null
        -- Not an anti-join, for which all addresses might be read.
        and coalesce((select address.outcome from catalog.address where address.url = source.url), 'ok') = 'ok'
    order by source_id
    limit %(limit)s
) as unread
inner join catalog.clip using (source_id)
group by unread.source_id
order by unread.source_id
