select
    version,
    parent,
    promoted_at,
    n_clips,
    round((duration_s / 3600)::numeric, 4)::double precision as hours
from catalog.release
where state = 'published'
order by string_to_array(version, '.')::integer[] desc
