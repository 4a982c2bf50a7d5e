-- How many clips each group has, kept up by what changed: whoever changes a clip notes what it was, whoever plans counts.
create table catalog.coverage (
    emotion_plurality text[],
    language text,
    gender text,
    age_group text,
    aim jsonb,
    n_clips bigint not null,
    unique nulls not distinct (emotion_plurality, language, gender, age_group, aim)
);
comment on table catalog.coverage is
    'Labelled clips, by what their label says, and others on their way, by what their source was sought for (aim); '
    'without what catalog.coverage_change holds. Only coverage.read() writes it.';

create table catalog.coverage_change (
    change_id bigint generated always as identity primary key,
    kind text not null check (kind in ('clip', 'label', 'source', 'everything')),
    id text,
    source_id text,
    state text,
    n_raters integer,
    emotion_plurality text[],
    language text,
    gender text,
    age_group text,
    aim jsonb,
    check ((kind = 'everything') = (id is null))
);
comment on table catalog.coverage_change is
    'What changed since catalog.coverage was counted: a clip, a label or a source as it was before, nulls if there was '
    'none. Written in the transaction of the change; of one thing the first is what was counted.';
insert into catalog.coverage_change (kind) values ('everything');

create function catalog.is_too_much_to_note(n_rows bigint) returns boolean
language sql stable
return n_rows > 50000 or pg_relation_size('catalog.coverage_change') > 64 * 1024 * 1024;
comment on function catalog.is_too_much_to_note is
    'Whether to count everything again costs less; or nobody has counted for so long that notes would fill the disk.';

-- Statements may change a million rows at once.
create function catalog.note_clips() returns trigger language plpgsql as $$
begin
    if catalog.is_too_much_to_note((select count(*) from changed)) then
        insert into catalog.coverage_change (kind) values ('everything');
    else
        insert into catalog.coverage_change (kind, id, source_id, state)
        select 'clip', clip_id, source_id, case when tg_op = 'DELETE' then state end from changed;
    end if;
    return null;
end
$$;
create trigger coverage_inserted after insert on catalog.clip
referencing new table as changed for each statement execute function catalog.note_clips();
create trigger coverage_deleted after delete on catalog.clip
referencing old table as changed for each statement execute function catalog.note_clips();

create function catalog.note_labels() returns trigger language plpgsql as $$
begin
    if catalog.is_too_much_to_note((select count(*) from changed)) then
        insert into catalog.coverage_change (kind) values ('everything');
    elsif tg_op = 'INSERT' then
        insert into catalog.coverage_change (kind, id) select 'label', clip_id from changed;
    else
        insert into catalog.coverage_change
        (kind, id, n_raters, emotion_plurality, language, gender, age_group)
        select 'label', clip_id, n_raters, emotion_plurality, language, perceived_gender, perceived_age_group
        from changed;
    end if;
    return null;
end
$$;
create trigger coverage_inserted after insert on catalog.label
referencing new table as changed for each statement execute function catalog.note_labels();
create trigger coverage_deleted after delete on catalog.label
referencing old table as changed for each statement execute function catalog.note_labels();

-- Updates come one by one, and most change nothing that counts.
create function catalog.note_clip() returns trigger language plpgsql as $$
begin
    insert into catalog.coverage_change (kind, id, source_id, state)
    values ('clip', old.clip_id, old.source_id, old.state);
    return null;
end
$$;
create trigger coverage_updated after update on catalog.clip
for each row when (old.state <> new.state) execute function catalog.note_clip();

create function catalog.note_label() returns trigger language plpgsql as $$
begin
    insert into catalog.coverage_change
    (kind, id, n_raters, emotion_plurality, language, gender, age_group)
    values (
        'label', old.clip_id, old.n_raters, old.emotion_plurality, old.language, old.perceived_gender,
        old.perceived_age_group
    );
    return null;
end
$$;
create trigger coverage_updated after update on catalog.label
for each row when (
    (old.n_raters, old.emotion_plurality, old.language, old.perceived_gender, old.perceived_age_group)
    is distinct from
    (new.n_raters, new.emotion_plurality, new.language, new.perceived_gender, new.perceived_age_group)
) execute function catalog.note_label();

create function catalog.note_source() returns trigger language plpgsql as $$
begin
    insert into catalog.coverage_change (kind, id, aim) values ('source', old.source_id, old.aim);
    return null;
end
$$;
create trigger coverage_updated after update on catalog.source
for each row when (old.aim <> new.aim) execute function catalog.note_source();
create trigger coverage_deleted after delete on catalog.source
for each row when (old.aim <> '{}') execute function catalog.note_source();

create function catalog.note_everything() returns trigger language plpgsql as $$
begin
    insert into catalog.coverage_change (kind) values ('everything');
    return null;
end
$$;
create trigger coverage_emptied after truncate on catalog.clip
for each statement execute function catalog.note_everything();
create trigger coverage_emptied after truncate on catalog.label
for each statement execute function catalog.note_everything();
