-- One JSON object a clip, for links.parquet; as the clip table's.
select
    json_build_object(
        'sample', sample,
        'emotion_votes', (sample -> 'emotion_votes')::text,
        'word_votes', (sample -> 'word_votes')::text,
        'emotion_soft', (sample -> 'emotion_soft')::text
    ) as record
from catalog.released_link
where version = %(version)s
order by clip_id collate "C"
