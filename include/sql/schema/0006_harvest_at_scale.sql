-- What a night's plan costs follows what is due, whatever is known; and a speaker group stays in one split.

create function catalog.split_of(speaker_group text) returns text
language sql immutable parallel safe
return case
    when ('x' || substr(encode(sha256(convert_to(speaker_group, 'UTF8')), 'hex'), 1, 8))::bit(32)::bigint % 100 < 90
        then 'train'
    when ('x' || substr(encode(sha256(convert_to(speaker_group, 'UTF8')), 'hex'), 1, 8))::bit(32)::bigint % 100 < 95
        then 'validation'
    else 'test'
end;
comment on function catalog.split_of(text) is
    'The split of a speaker group, by its hash alone: the same in every release.';

alter table catalog.clip add column has_unread_source boolean not null default false;
comment on column catalog.clip.has_unread_source is
    'Named before its source''s metadata was read: not due until then.';

-- What annotations named by address and times was taken for read; nobody has asked its page yet.
update catalog.source set is_unread = true where info = '{}' and refusal is null;
update catalog.clip set has_unread_source = true
from catalog.source
where source.source_id = clip.source_id and source.is_unread;

drop index catalog.clip_due;
create index clip_to_make on catalog.clip (source_id) where state = 'candidate' and not has_unread_source;
create index clip_to_retry on catalog.clip (retry_at) where state = 'failed';
-- Most candidates of a large manifest are not due: without this the planner takes them for independent of each other.
create statistics catalog.clip_due (mcv) on state, has_unread_source from catalog.clip;

drop index catalog.source_to_cut;
create index source_to_cut on catalog.source (first_seen_at) where is_to_cut and retry_at is null;
create index source_to_retry on catalog.source (retry_at) where is_to_cut and retry_at is not null;

drop index catalog.source_unread;
create index source_unread on catalog.source (source_id) where is_unread and refusal is null;

create view catalog.refusal as
select
    'address' as what,
    newest.url as id,
    newest.outcome,
    newest.message as reason,
    newest.next_try_at as retry_at,
    newest.tried_at as refused_at
from (
    select distinct on (url)
        url,
        outcome,
        message,
        next_try_at,
        tried_at
    from catalog.clip_attempt
    where stage = 'harvest'
    order by url asc, attempt_id desc
) as newest
where newest.outcome <> 'ok'
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
left join (
    select
        url,
        max(tried_at) as tried_at
    from catalog.clip_attempt
    group by url
) as tried using (url)
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
left join (
    select
        url,
        max(tried_at) as tried_at
    from catalog.clip_attempt
    group by url
) as tried using (url)
where clip.state in ('rejected', 'failed', 'gone', 'blocked')
union all
select
    'annotation',
    file || ':' || line,
    'rejected',
    reason,
    null,
    rejected_at
from catalog.annotation_reject;
comment on view catalog.refusal is
    'The newest word on whatever was not taken: addresses, sources, clips, annotation rows. refused_at: when it was last '
    'tried; a source and a clip are as new as the last try at their recording.';
