-- A source is cut by rule once: another length learned later must not lay other clips over the first.
update catalog.source
set is_cut = true, is_to_cut = false
where source_id = %(source_id)s and not is_cut
