-- The newest of what was not taken, by when it was last tried: a source and a clip are as new as the last try at
-- their recording. What counts as refused is what select_refusals.sql says.
with tried as (
    select
        url,
        max(tried_at) as tried_at
    from catalog.clip_attempt
    group by url
)

select *
from (
    select
        'address' as what,
        url as id,
        outcome,
        message as reason,
        next_try_at as retry_at,
        tried_at as refused_at
    from (
        select distinct on (url) *
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
        next_try_at,
        coalesce(tried_at, next_try_at)
    from catalog.address
    where outcome = 'waiting'
    union all
    select
        'source',
        source.source_id,
        case when source.refusal is null then 'failed' else 'refused' end,
        coalesce(source.refusal, 'to be tried again'),
        source.retry_at,
        coalesce(tried.tried_at, source.first_seen_at)
    from catalog.source
    left join tried using (url)
    where
        (source.refusal is not null or source.retry_at is not null)
        and not exists (select 1 from catalog.clip where clip.source_id = source.source_id)
    union all
    select
        'clip',
        clip.clip_id,
        clip.state,
        clip.reason,
        clip.retry_at,
        coalesce(tried.tried_at, clip.first_seen_at)
    from catalog.clip
    inner join catalog.source using (source_id)
    left join tried using (url)
    where clip.state in ('rejected', 'failed', 'gone', 'blocked')
    union all
    select
        'annotation',
        file || ':' || line,
        'rejected',
        reason,
        null,
        rejected_at
    from catalog.annotation_reject
) as refused
order by refused_at desc, what asc, id asc
limit %(limit)s
