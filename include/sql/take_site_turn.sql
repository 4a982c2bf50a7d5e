-- When this worker's turn at a site comes: each turn moves the site's clock on by an interval, so that all workers
-- together keep the pace. No turn while the breaker is open.
insert into catalog.site as site (site, next_request_at, next_download_at)
values (
    %(site)s,
    now() + case when %(is_download)s then interval '0' else make_interval(secs => %(interval_s)s) end,
    now() + case when %(is_download)s then make_interval(secs => %(interval_s)s) else interval '0' end
)
on conflict (site) do update
    set next_request_at = case
        when %(is_download)s or site.open_until > now() then site.next_request_at
        else greatest(site.next_request_at, clock_timestamp()) + make_interval(secs => %(interval_s)s)
    end,
    next_download_at = case
        when not %(is_download)s or site.open_until > now() then site.next_download_at
        else greatest(site.next_download_at, clock_timestamp()) + make_interval(secs => %(interval_s)s)
    end
returning
    case when open_until > now() then open_until end as open_until,
    message,
    extract(epoch from case
        when %(is_download)s then next_download_at else next_request_at
    end - clock_timestamp())::double precision - %(interval_s)s as wait_s
