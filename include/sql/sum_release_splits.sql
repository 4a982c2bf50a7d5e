select
    split,
    count(*) as n_clips,
    sum((sample ->> 'duration_s')::numeric)::double precision as duration_s
from catalog.released_clip
where version = %(version)s
group by split
order by array_position(array['train', 'validation', 'test'], split)
