select
    site,
    open_until,
    message
from catalog.site
where site = %(site)s and open_until > now()
