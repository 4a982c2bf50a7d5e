-- What stands beside the shards is written in a step of its own; what was frozen anew meanwhile has none of it.
alter table catalog.release add column files text[];
comment on column catalog.release.files is
    'Tables and card that were written of what is frozen now, by their paths in the store; null until they are.';
