-- From what was found to what is published, each a part of the one before.
select
    (select count(*) from catalog.source) as sources,
    (select count(*) from catalog.clip) as candidates,
    (select count(*) from catalog.clip where state = 'ready') as ready,
    (
        select count(*)
        from catalog.clip
        inner join catalog.label using (clip_id)
        where clip.state = 'ready' and label.n_raters > 0
    ) as annotated,
    coalesce(
        (
            select n_clips
            from catalog.release
            where state = 'published'
            order by promoted_at desc
            limit 1
        ),
        0
    ) as released
