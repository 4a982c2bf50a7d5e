-- Hold a source until the transaction ends; nothing if another worker holds it. `no key`: it may get clips meanwhile.
-- What is due of it must be read by a later statement: this one's snapshot may be older than the lock.
select source_id
from catalog.source
where source_id = %(source_id)s
for no key update skip locked
