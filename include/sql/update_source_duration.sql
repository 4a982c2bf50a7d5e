-- What was decoded is believed over what the page announced.
update catalog.source
set duration_s = %(duration_s)s, refusal = null, retry_at = null
where source_id = %(source_id)s
