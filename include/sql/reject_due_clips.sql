update catalog.clip
set state = 'rejected', reason = %(reason)s, retry_at = null
where
    source_id = %(source_id)s
    and (state = 'candidate' or (state = 'failed' and retry_at <= now()))
