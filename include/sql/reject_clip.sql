update catalog.clip
set state = 'rejected', reason = %(reason)s, retry_at = null
where clip_id = %(clip_id)s and state in ('candidate', 'failed')
