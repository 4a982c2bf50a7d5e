-- Which clips were reported is asked at each merge; few are.
create index annotation_reported on catalog.annotation (clip_id) where reports <> '{}';
