-- One try into the ledger; a harvest's is its address's newest word too. The wait before the next one doubles with
-- each try that found nothing final, and begins anew after one that went well; up to a quarter of it is left off at
-- random, so that what failed together is not asked again together.
with
attempt as (
    insert into catalog.clip_attempt
    (stage, url, source_ids, clip_id, outcome, message, tool_version, next_try_at)
    select
        %(stage)s,
        %(url)s,
        %(source_ids)s,
        %(clip_id)s,
        %(outcome)s,
        %(message)s,
        %(tool_version)s,
        case
            when %(retry_after_s)s::double precision is not null
                then now() + make_interval(
                    secs => least(%(retry_after_s)s * power(2, least(count(*), 30)), %(retry_cap_s)s)
                    * (1 - random() / 4)
                )
        end
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
    returning url, stage, outcome, message, tool_version, next_try_at
),

newest_word as (
    insert into catalog.address (url, outcome, message, given, tried_at, next_try_at, tool_version)
    select
        url,
        outcome,
        message,
        %(given)s::text[],
        now(),
        next_try_at,
        tool_version
    from attempt
    where stage = 'harvest'
    on conflict (url) do update
        set outcome = excluded.outcome,
            message = excluded.message,
            given = case
                when excluded.outcome = 'ok' then '{}'
                else (
                    select coalesce(array_agg(distinct one order by one), '{}')
                    from unnest(address.given || excluded.given) as one
                )
            end,
            tried_at = excluded.tried_at,
            next_try_at = excluded.next_try_at,
            tool_version = excluded.tool_version
)

select next_try_at
from attempt
