-- An answer after the pause: the next pause is a short one again.
update catalog.site
set n_quota = 0, open_until = null, message = null
where site = %(site)s and n_quota > 0 and (open_until is null or open_until <= now())
