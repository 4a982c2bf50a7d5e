-- Clips that any earlier published release had and this one has not, with why where it is known.
select
    earlier.clip_id,
    (
        array_agg(earlier.version order by string_to_array(earlier.version, '.')::integer[] desc)
    )[1] as last_version,
    coalesce(
        max(clip.reason),
        case when count(linked.clip_id) > 0 then 'its licence forbids passing on audio: see links.parquet' end,
        case when bool_or(label.is_held) then 'held: reported by annotators' end,
        case when bool_or(label.n_raters < %(min_raters)s) then 'fewer annotators than a release asks for' end,
        'no longer eligible'
    ) as reason
from catalog.release_clip as earlier
inner join catalog.release on earlier.version = release.version
left join catalog.clip on earlier.clip_id = clip.clip_id
left join catalog.label on earlier.clip_id = label.clip_id
left join catalog.release_link as linked on earlier.clip_id = linked.clip_id and linked.version = %(version)s
where
    release.state = 'published'
    and string_to_array(release.version, '.')::integer[] < string_to_array(%(version)s, '.')::integer[]
    and not exists (
        select 1
        from catalog.release_clip as kept
        where kept.version = %(version)s and kept.clip_id = earlier.clip_id
    )
group by earlier.clip_id
order by earlier.clip_id collate "C"
