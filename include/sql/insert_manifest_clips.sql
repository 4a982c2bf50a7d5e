-- A manifest's clips. Those of a source that is known to give none end as it did.
insert into catalog.clip (clip_id, source_id, start_ms, end_ms, hint, has_unread_source, state, reason)
select
    named.clip_id,
    named.source_id,
    named.start_ms,
    named.end_ms,
    named.hint,
    source.is_unread,
    case when source.refusal is null then 'candidate' else 'rejected' end,
    source.refusal
from (
    select
        'youtube-' || video_id || '-' || start_ms || '-' || end_ms as clip_id,
        'youtube:' || video_id as source_id,
        start_ms,
        end_ms,
        nullif(min(hint), '') as hint
    from manifest_row
    group by video_id, start_ms, end_ms
) as named
inner join catalog.source using (source_id)
where not exists (select 1 from catalog.clip where clip.clip_id = named.clip_id)
order by named.clip_id
on conflict (clip_id) do nothing
