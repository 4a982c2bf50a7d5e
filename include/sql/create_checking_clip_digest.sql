-- One clip of each kind: what no clip here fails, no clip does.
create unlogged table checking.clip_digest as
select
    min(clip_id) as clip_id,
    is_named_by_times,
    is_cut_in_place,
    is_as_long_as_cut
from checking.clip
group by is_named_by_times, is_cut_in_place, is_as_long_as_cut
