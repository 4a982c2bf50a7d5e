-- A manifest's clips. Those of a source that is known to give none end as it did. In the order of the index.
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
        clip_id,
        source_id,
        start_ms,
        end_ms,
        nullif(min(hint), '') as hint
    from manifest_row
    group by clip_id, source_id, start_ms, end_ms
) as named
inner join catalog.source using (source_id)
where not exists (select 1 from catalog.clip where clip.clip_id = named.clip_id)
order by named.clip_id collate "C"
