-- The labels of the clips in clip_to_label. Each by the index: the planner would rather read all labels there are.
delete from catalog.label
where
    ctid = any(array(
        select old.ctid
        from clip_to_label
        cross join lateral (
            select label.ctid from catalog.label
            where label.clip_id = clip_to_label.clip_id
            offset 0
        ) as old
    ))
