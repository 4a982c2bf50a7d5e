-- Hold a source until the transaction ends; nothing if another worker holds it.
select source_id, url, is_to_cut
from catalog.source
where source_id = %(source_id)s
for update skip locked
