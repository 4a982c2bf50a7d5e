-- A source that gave nothing: a refusal is for good, retry_at for a while.
update catalog.source
set
    refusal = %(refusal)s,
    retry_at = %(retry_at)s,
    is_to_cut = is_to_cut and %(refusal)s::text is null
where source_id = %(source_id)s
