-- Sizes of the published releases up to this one, which need not be published yet.
select
    version,
    n_clips
from catalog.release
where
    version = %(version)s
    or (
        state = 'published'
        and string_to_array(version, '.')::integer[] < string_to_array(%(version)s, '.')::integer[]
    )
order by string_to_array(version, '.')::integer[]
