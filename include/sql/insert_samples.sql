-- Keep the samples that were made, in the order of their clips: whoever reads a release reads on, and does not seek.
insert into catalog.sample (clip_id, sample_sha256, sample)
select
    made.clip_id,
    made.sample_sha256,
    made.sample
from (
    -- Places are sorted: samples, each kilobytes, would be written out for that.
    select ctid as place
    from frozen
    where sample is not null
    order by clip_id collate "C"
    offset 0
) as ordered
cross join lateral (
    select clip_id, sample_sha256, sample
    from frozen
    where frozen.ctid = ordered.place
    offset 0
) as made
on conflict do nothing
