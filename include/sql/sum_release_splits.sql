select
    release_clip.split,
    count(*) as n_clips,
    sum(said.duration_s)::double precision as duration_s
from catalog.release_clip
inner join catalog.sample_row as said
    on release_clip.clip_id = said.clip_id and release_clip.sample_sha256 = said.sample_sha256
where release_clip.version = %(version)s
group by release_clip.split
order by array_position(array['train', 'validation', 'test'], release_clip.split)
