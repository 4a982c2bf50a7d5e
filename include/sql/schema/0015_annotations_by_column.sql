-- Annotations a second time, by column, for whoever reads all of them: include/column_blocks.py.
create table catalog.annotation_block (
    block_id bigint generated always as identity primary key,
    n_rows integer not null,
    content bytea not null
);
-- Compressed by Arrow.
alter table catalog.annotation_block alter content set storage external;
comment on table catalog.annotation_block is
    'Copies of the rows of catalog.annotation, by column, as Arrow streams. If n_rows sum up to the rows there are, '
    'these are their copies; otherwise the next relabel makes them anew.';

create function catalog.drop_annotation_blocks() returns trigger language plpgsql as $$
begin
    -- A merge or a relabel that is under way may be copying these rows.
    perform pg_advisory_xact_lock(hashtext('open_empathic_merge'));
    delete from catalog.annotation_block;
    return null;
end
$$;
comment on function catalog.drop_annotation_blocks is
    'Copies of rows that change would be others, and what is deleted must not live on in a copy.';
create trigger blocks_dropped before update or delete or truncate on catalog.annotation
for each statement execute function catalog.drop_annotation_blocks();
