select
    release_clip.version,
    release_clip.split,
    release_clip.shard,
    release_clip.position
from catalog.release_clip
inner join catalog.release using (version)
where release_clip.clip_id = %(clip_id)s and release.state = 'published'
order by string_to_array(release_clip.version, '.')::integer[]
