-- A source whose speaker group turns out to belong to another split than a release had its clips in. They can neither
-- move, as who trained on them would test on them, nor stay, as the same person stands in the other split: they leave.
update catalog.clip
set state = 'rejected', reason = 'divided: its channel belongs to another split than it was released in'
where
    source_id = %(source_id)s
    and state = 'ready'
    and catalog.split_of(%(was_in)s) <> catalog.split_of(%(is_in)s)
    and exists (
        select 1
        from catalog.release
        where
            exists (
                select 1 from catalog.release_clip as released
                where released.version = release.version and released.clip_id = clip.clip_id
            )
            or exists (
                select 1 from catalog.release_link as linked
                where linked.version = release.version and linked.clip_id = clip.clip_id
            )
    )
