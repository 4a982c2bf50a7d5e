-- Clips whose source could not be had: `failed` until retry_at, or `gone` for good.
update catalog.clip
set state = %(state)s, reason = %(reason)s, retry_at = %(retry_at)s
where
    source_id = %(source_id)s
    and (state = 'candidate' or (state = 'failed' and retry_at <= now()))
