-- Where a file's rows land before they are merged; gone with the transaction.
create temporary table staged_annotation (like catalog.annotation including defaults) on commit drop;
-- Not when the transaction began, which may be before the freeze of a release that it then waited for.
alter table staged_annotation alter merged_at set default clock_timestamp();
create temporary table staged_reject (like catalog.annotation_reject including defaults) on commit drop;
create temporary table staged_candidate (
    clip_id text, source_id text, url text, start_ms integer, end_ms integer
) on commit drop;
create temporary table merged_annotation (like catalog.annotation) on commit drop;
-- A batch is sorted in memory.
set local work_mem = '32MB';
create temporary table touched_clip (clip_id text primary key) on commit drop;
create temporary table fresh_annotator (annotator_id text primary key) on commit drop;
