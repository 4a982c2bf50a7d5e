-- Every rating of each field for each clip in a sample of a release's clips, as of the freeze: the same clips from
-- release to release as long as they are in it. An answer that was left blank is no rating; null: nobody gave one.
with
sampled as (
    select clip_id
    from (
        select clip_id from catalog.release_clip where version = %(version)s
        union all
        select clip_id from catalog.release_link where version = %(version)s
    ) as frozen
    order by hashtextextended(clip_id, 0), clip_id
    limit %(max_clips)s
),

vote as (
    select
        annotation.*,
        chosen.families
    from sampled
    inner join catalog.release on release.version = %(version)s
    inner join lateral (
        select distinct on (a.annotator_id) a.*
        from catalog.annotation as a
        where a.clip_id = sampled.clip_id and a.merged_at <= release.frozen_at
        order by a.annotator_id asc, a.submitted_at desc, a.annotation_id desc
    ) as annotation on true
    inner join catalog.annotator on annotation.annotator_id = annotator.annotator_id
    cross join lateral (
        select to_jsonb(array_agg(distinct vocabulary.family)) as families
        from catalog.vocabulary
        where vocabulary.version = annotation.vocabulary_version and vocabulary.word = any(annotation.emotions)
    ) as chosen
    where not annotation.is_retracted and annotator.state <> 'blocked'
)

select
    array_agg(arousal order by annotator_id collate "C") filter (where arousal is not null) as arousal,
    array_agg(valence order by annotator_id collate "C") filter (where valence is not null) as valence,
    array_agg(age_group order by annotator_id collate "C") filter (where age_group is not null) as age_group,
    array_agg(gender order by annotator_id collate "C") filter (where gender is not null) as gender,
    array_agg(accent order by annotator_id collate "C") filter (where accent is not null) as accent,
    array_agg(audio_quality order by annotator_id collate "C")
    filter (where audio_quality is not null) as audio_quality,
    jsonb_agg(families order by annotator_id collate "C") filter (where families is not null) as emotions
from vote
group by clip_id
order by clip_id collate "C"
