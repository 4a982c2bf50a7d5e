-- The hash of what was said holds clip, annotator and time: one row per hash is one row per these and the hash. So one
-- index serves both, and a night's rows, which speak of few clips, no longer meet one page each of an index of hashes.
alter table catalog.annotation drop constraint annotation_pkey;
drop index catalog.annotation_clip;
create unique index annotation_clip on catalog.annotation
(clip_id, annotator_id, submitted_at desc, annotation_id desc);

-- Two annotations of one microsecond are put in order without the index.
drop index catalog.annotation_annotator;
create index annotation_annotator on catalog.annotation (annotator_id, submitted_at desc);
