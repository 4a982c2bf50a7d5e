-- The labels of the clips in clip_to_label. As an array, of which the planner expects few, they are looked up by the
-- index in one go; of a join it would rather read all labels there are.
delete from catalog.label
where clip_id = any(array(select clip_to_label.clip_id from clip_to_label))
