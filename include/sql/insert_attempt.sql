-- One try into the ledger. The wait before the next one doubles with each try that found nothing final, and
-- begins anew after one that went well.
insert into catalog.clip_attempt (stage, url, source_ids, clip_id, outcome, message, next_try_at)
select
    %(stage)s,
    %(url)s,
    %(source_ids)s,
    %(clip_id)s,
    %(outcome)s,
    %(message)s,
    now() + make_interval(secs => %(retry_after_s)s::double precision * power(2, least(count(*), 8)))
from catalog.clip_attempt
where
    stage = %(stage)s
    and url = %(url)s
    and next_try_at is not null
    and attempt_id > coalesce(
        (
            select max(earlier.attempt_id)
            from catalog.clip_attempt as earlier
            where earlier.stage = %(stage)s and earlier.url = %(url)s and earlier.outcome = 'ok'
        ),
        0
    )
returning next_try_at
