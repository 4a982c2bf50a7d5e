-- Known from a manifest only: not downloaded before a harvest has read its metadata. In the order of the index, which
-- is then written from left to right.
insert into catalog.source (source_id, url, speaker_group, is_unread)
select
    'youtube:' || video_id,
    'https://www.youtube.com/watch?v=' || video_id,
    'youtube:' || video_id,
    true
from (select distinct video_id from manifest_row) as named
where not exists (select 1 from catalog.source where source.source_id = 'youtube:' || named.video_id)
order by 1
on conflict (source_id) do nothing
