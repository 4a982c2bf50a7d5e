-- Frozen clips that the catalog no longer calls ready.
select
    frozen.clip_id,
    clip.state
from {batch} as frozen
left join catalog.clip on frozen.clip_id = clip.clip_id
where clip.state is distinct from 'ready'
