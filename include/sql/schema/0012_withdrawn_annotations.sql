-- Which annotations were withdrawn is asked at each release; few were.
create index annotation_retracted on catalog.annotation (clip_id, annotator_id) where is_retracted;
