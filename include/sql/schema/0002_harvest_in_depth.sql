-- What a harvest that runs for a year must remember: each address and its next try, each site and its pace,
-- what a source was sought for, its captions, and what volunteers propose.
alter table catalog.clip_attempt add column tool_version text;
comment on column catalog.clip_attempt.tool_version is
    'Of yt-dlp: what was broken is due again once another is installed.';
create index clip_attempt_fault on catalog.clip_attempt (stage, outcome) where outcome <> 'ok';

create table catalog.address (
    url text primary key,
    outcome text not null
        check (outcome in ('ok', 'gone', 'refused', 'quota', 'transient', 'broken', 'unsupported', 'waiting')),
    message text,
    given text[] not null default '{}',
    tried_at timestamptz,
    next_try_at timestamptz,
    tool_version text
);
comment on table catalog.address is
    'The newest word of the ledger on each address that was harvested, so that what is due is found without '
    'reading the ledger. `waiting`: not asked yet, its site wants us to slow down.';
comment on column catalog.address.given is
    'What was asked of it while it could not be had: the address with its times, to be asked again.';
create index address_due on catalog.address (next_try_at) where next_try_at is not null;
create index address_broken on catalog.address (tool_version) where outcome = 'broken';
create index address_fault on catalog.address (outcome) where outcome <> 'ok';
insert into catalog.address (url, outcome, message, given, tried_at, next_try_at)
select distinct on (url)
    url,
    outcome,
    message,
    case when outcome = 'ok' then '{}' else array[url] end,
    tried_at,
    next_try_at
from catalog.clip_attempt
where stage = 'harvest'
order by url asc, attempt_id desc;

alter table catalog.source
    add column is_unread boolean not null default false,
    add column aim jsonb not null default '{}';
comment on column catalog.source.is_unread is
    'Known from a manifest: no metadata yet, so it is not downloaded either.';
comment on column catalog.source.aim is 'What it was sought for: {family, language, gender, age_group: [value]}.';
create index source_unread on catalog.source (source_id) where is_unread;
create index source_sought on catalog.source (source_id) where aim <> '{}';

create table catalog.site (
    site text primary key,
    next_request_at timestamptz not null default now(),
    next_download_at timestamptz not null default now(),
    n_quota integer not null default 0,
    open_until timestamptz,
    message text
);
comment on table catalog.site is
    'One row a site, which all workers share: when the next request and download may begin. '
    'open_until: the breaker is open, nothing is asked before.';

create table catalog.caption (
    source_id text primary key references catalog.source on delete cascade,
    language text not null,
    is_automatic boolean not null,
    lines jsonb not null
);
comment on column catalog.caption.lines is '[[start_ms, end_ms, text]] in the order of time.';

create table catalog.suggestion (
    suggestion_id bigint generated always as identity primary key,
    url text not null,
    start_s double precision,
    end_s double precision,
    suggested_by text not null,
    suggested_at timestamptz not null default now(),
    outcome text check (outcome in ('accepted', 'waiting', 'refused')),
    reason text
);
comment on table catalog.suggestion is 'What volunteers propose; outcome null: not looked at yet.';
create index suggestion_open on catalog.suggestion (suggestion_id) where outcome is null or outcome = 'waiting';

alter table catalog.suggestion
    add column address text,
    add column address_url text;
comment on column catalog.suggestion.address is
    'What was harvested for it, with its times; address_url without. Null until a run looked at it.';

alter table catalog.clip add column hint text;
comment on column catalog.clip.hint is 'What the manifest that names the clip says of it; no label.';

create view catalog.clip_draft as
select
    clip.clip_id,
    caption.language,
    caption.is_automatic,
    string_agg(line.value ->> 2, ' ' order by line.ordinality) as transcription
from catalog.clip
inner join catalog.caption using (source_id)
cross join lateral jsonb_array_elements(caption.lines) with ordinality as line
where
    (line.value ->> 0)::integer + (line.value ->> 1)::integer >= 2 * clip.start_ms
    and (line.value ->> 0)::integer + (line.value ->> 1)::integer < 2 * clip.end_ms
group by clip.clip_id, caption.language, caption.is_automatic;
comment on view catalog.clip_draft is
    'A draft of what is said in a clip: the caption lines whose middle lies in its window.';
