-- Clips and uncut sources whose newest transcoding ended in one class are due now; the ids of their sources.
with
ended_so as (
    select
        source.source_id,
        newest.outcome,
        newest.message
    from (
        select distinct url
        from catalog.clip_attempt
        where stage = 'transcode' and outcome = %(fault_class)s
    ) as once
    inner join catalog.source using (url)
    cross join lateral (
        select
            attempt.outcome,
            attempt.message
        from catalog.clip_attempt as attempt
        where attempt.stage = 'transcode' and attempt.url = once.url
        order by attempt.attempt_id desc
        limit 1
    ) as newest
    where newest.outcome = %(fault_class)s
),

reopened_clip as (
    update catalog.clip
    set
        state = case when clip.state = 'failed' then 'failed' else 'candidate' end,
        reason = case when clip.state = 'failed' then clip.reason end,
        retry_at = case when clip.state = 'failed' then now() end
    from ended_so
    where
        clip.source_id = ended_so.source_id
        and clip.state in ('failed', 'rejected')
        and clip.reason in (ended_so.outcome || ': ' || ended_so.message, ended_so.message)
    returning clip.source_id
),

reopened_source as (
    update catalog.source
    set refusal = null, retry_at = null, is_to_cut = not source.is_cut
    from ended_so
    where
        source.source_id = ended_so.source_id
        and (source.refusal is not null or source.retry_at is not null)
        and not exists (select 1 from catalog.clip where clip.source_id = source.source_id)
    returning source.source_id
)

select
    reopened.source_id,
    source.duration_s
from (
    select source_id
    from reopened_clip
    union
    select source_id
    from reopened_source
) as reopened
inner join catalog.source using (source_id)
order by reopened.source_id
limit %(limit)s
