-- A source is cut once: one that has clips from an earlier cut stays as it is.
update catalog.source
set is_to_cut = true
where
    source_id = %(source_id)s
    and refusal is null
    and not is_cut
    and not is_to_cut
