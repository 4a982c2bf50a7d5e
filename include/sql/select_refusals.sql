-- The newest word on whatever was not taken: addresses, sources, clips, annotation rows.
select *
from (
    select distinct on (url)
        'address' as what,
        url as id,
        outcome,
        message as reason,
        next_try_at as retry_at
    from catalog.clip_attempt
    where stage = 'harvest'
    order by url asc, attempt_id desc
) as newest
where outcome <> 'ok'
union all
select
    'address',
    url,
    outcome,
    message,
    next_try_at
from catalog.address
where outcome = 'waiting'
union all
select
    'source',
    source_id,
    case when refusal is null then 'failed' else 'refused' end,
    coalesce(refusal, 'to be tried again'),
    retry_at
from catalog.source
where
    (refusal is not null or retry_at is not null)
    and not exists (select 1 from catalog.clip where clip.source_id = source.source_id)
union all
select
    'clip',
    clip_id,
    state,
    reason,
    retry_at
from catalog.clip
where state in ('rejected', 'failed', 'gone', 'blocked')
union all
select
    'annotation',
    file || ':' || line,
    'rejected',
    reason,
    null
from catalog.annotation_reject
order by what, id
