-- What is asked of an address that can't be asked yet is kept for its next try.
insert into catalog.address (url, outcome, message, given, next_try_at)
values (%(url)s, 'waiting', %(message)s, %(given)s, %(next_try_at)s)
on conflict (url) do update
    set given = (
        select coalesce(array_agg(distinct one order by one), '{}')
        from unnest(address.given || excluded.given) as one
    ),
    next_try_at = coalesce(greatest(address.next_try_at, excluded.next_try_at), address.next_try_at)
