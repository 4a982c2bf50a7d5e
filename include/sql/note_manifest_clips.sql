-- Note for the coverage which of a manifest's clips will be new and count: others' sources were sought for nothing. The
-- triggers that note this are skipped with the foreign keys.
insert into catalog.coverage_change (kind, id, source_id)
select distinct
    'clip',
    named.clip_id,
    named.source_id
from manifest_row as named
inner join catalog.source using (source_id)
where source.aim <> '{}' and not exists (select 1 from catalog.clip where clip.clip_id = named.clip_id)
