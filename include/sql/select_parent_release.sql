-- The newest published release before a version (all of them, without one).
select version, content_sha256
from catalog.release
where
    state = 'published'
    and (
        %(version)s::text is null
        or string_to_array(version, '.')::integer[] < string_to_array(%(version)s, '.')::integer[]
    )
order by string_to_array(version, '.')::integer[] desc
limit 1
