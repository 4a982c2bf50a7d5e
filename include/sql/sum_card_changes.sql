-- How many clips a release added, changed and removed against its parent; without one, all are added.
select
    count(*) filter (where was_in.clip_id is null) as n_added,
    count(*) filter (where now_in.sample_sha256 <> was_in.sample_sha256) as n_changed,
    count(*) filter (where now_in.clip_id is null) as n_removed
from (select clip_id, sample_sha256 from catalog.release_clip where version = %(version)s) as now_in
full join (select clip_id, sample_sha256 from catalog.release_clip where version = %(parent)s) as was_in
    on now_in.clip_id = was_in.clip_id
