-- What went in beside what came out, each sum reached on two ways: nothing may be lost between them. The name holds
-- the figures, so that a report of it says them.
create unlogged table checking.sum as
select
    format('%%s: %%s in, %%s accounted for', name, n_in, n_out) as name,
    n_in,
    n_out
from (
    select
        'annotations in labels, superseded, withdrawn or of blocked annotators' as name,
        coalesce(sum(n_annotations), 0) as n_in,
        coalesce(sum(n_raters + n_silent + n_annotations - n_annotators), 0) as n_out
    from checking.label
    union all
    select
        'frozen clips with a place in a shard' as name,
        (select n_clips from catalog.release where version = %(version)s) as n_in,
        (
            select count(*)
            from catalog.release_clip
            where version = %(version)s and shard is not null and position is not null
        ) as n_out
    union all
    select
        'frozen clips and links, each clip once' as name,
        (select count(*) from catalog.release_clip where version = %(version)s)
        + (select count(*) from catalog.release_link where version = %(version)s) as n_in,
        (select count(*) from checking.release)
        - (
            select count(*)
            from catalog.release_link
            inner join catalog.release_clip using (version, clip_id)
            where version = %(version)s
        ) as n_out
) as counted
