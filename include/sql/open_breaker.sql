-- A site wants us to slow down: it is left alone, for twice as long each time in a row. Faults of one burst count once.
insert into catalog.site as site (site, n_quota, open_until, message)
values (%(site)s, 1, now() + make_interval(secs => %(wait_s)s), %(message)s)
on conflict (site) do update
    set n_quota = case when site.open_until > now() then site.n_quota else site.n_quota + 1 end,
        open_until = case
            when site.open_until > now() then site.open_until
            else now() + make_interval(
                secs => least(%(wait_s)s * power(2, least(site.n_quota, 30)), %(cap_s)s) * (1 + random() / 4)
            )
        end,
        message = excluded.message
returning open_until
