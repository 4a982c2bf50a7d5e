-- Clips that rows name by address and times, as candidates; under the rules of the harvest: nothing of a source
-- that was refused, of an address that is known to be final, or of what was taken down. A new source is not downloaded
-- before a harvest has read its metadata.
with
wanted as (
    select distinct on (staged.clip_id)
        staged.*,
        coalesce(source.is_unread, true) as has_unread_source
    from staged_candidate as staged
    left join catalog.source using (source_id)
    left join lateral (
        select
            attempt.outcome,
            attempt.next_try_at
        from catalog.clip_attempt as attempt
        where attempt.stage = 'harvest' and attempt.url = staged.url
        order by attempt.attempt_id desc
        limit 1
    ) as newest on true
    where
        source.refusal is null
        and (newest.outcome is null or newest.outcome = 'ok' or newest.next_try_at is not null)
        and not exists (
            select 1 from catalog.takedown
            where takedown.target in (staged.clip_id, staged.source_id, staged.url)
        )
    order by staged.clip_id, staged.url
),

new_source as (
    insert into catalog.source (source_id, url, speaker_group, is_unread)
    select distinct on (source_id)
        source_id,
        url,
        source_id,
        true
    from wanted
    order by source_id, url
    on conflict (source_id) do nothing
)

insert into catalog.clip (clip_id, source_id, start_ms, end_ms, has_unread_source)
select
    clip_id,
    source_id,
    start_ms,
    end_ms,
    has_unread_source
from wanted
order by clip_id
on conflict (clip_id) do nothing
