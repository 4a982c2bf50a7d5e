select * from catalog.label
order by clip_id collate "C"
