-- Clips that any earlier published release had and this one has not, with why where it is known.
select
    removed.clip_id,
    removed.last_version,
    coalesce(
        clip.reason,
        case when linked.clip_id is not null then 'its licence forbids passing on audio: see links.parquet' end,
        case when label.is_held then 'held: reported by annotators' end,
        case when label.n_raters < %(min_raters)s then 'fewer annotators than a release asks for' end,
        'no longer eligible'
    ) as reason
from catalog.release_removal as removed
left join catalog.clip on removed.clip_id = clip.clip_id
left join catalog.label on removed.clip_id = label.clip_id
left join catalog.release_link as linked on removed.clip_id = linked.clip_id and linked.version = removed.version
where removed.version = %(version)s
order by removed.clip_id collate "C"
