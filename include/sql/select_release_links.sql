-- One JSON object a clip, in the columns of links.parquet; as the clip table's.
select
    (
        sample
        || jsonb_build_object(
            'emotion_votes', catalog.pairs(sample -> 'emotion_votes'),
            'word_votes', catalog.pairs(sample -> 'word_votes'),
            'emotion_soft', catalog.pairs(sample -> 'emotion_soft')
        )
    )::text as record
from catalog.release_link
where version = %(version)s
order by clip_id collate "C"
