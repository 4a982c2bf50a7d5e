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

drop index catalog.source_to_cut;
create index source_to_cut on catalog.source (first_seen_at) where is_to_cut and retry_at is null;
create index source_to_retry on catalog.source (retry_at) where is_to_cut and retry_at is not null;

drop index catalog.source_unread;
create index source_unread on catalog.source (source_id) where is_unread and refusal is null;
