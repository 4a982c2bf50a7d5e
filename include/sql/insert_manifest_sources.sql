-- Known from a manifest only: not downloaded before a harvest has read its metadata. In the order of the index, which
-- is then written from left to right.
insert into catalog.source (source_id, url, speaker_group, is_unread)
select
    named.source_id,
    'https://www.youtube.com/watch?v=' || named.video_id,
    named.source_id,
    true
from (select distinct source_id, video_id from manifest_row) as named
where not exists (select 1 from catalog.source where source.source_id = named.source_id)
order by named.source_id collate "C"
