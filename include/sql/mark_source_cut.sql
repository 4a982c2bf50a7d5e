update catalog.source
set is_cut = true, is_to_cut = false
where source_id = %(source_id)s
