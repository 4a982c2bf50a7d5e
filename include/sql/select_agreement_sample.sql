-- Every rating of each field in a sample of a release's clips, as of the freeze: the same clips from release to
-- release as long as they are in it. An answer that was left blank is no rating.
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
    select annotation.*
    from sampled
    inner join catalog.release on release.version = %(version)s
    inner join lateral (
        select distinct on (a.annotator_id) a.*
        from catalog.annotation as a
        where a.clip_id = sampled.clip_id and a.merged_at <= release.frozen_at
        order by a.annotator_id asc, a.submitted_at desc, a.annotation_id desc
    ) as annotation on true
    inner join catalog.annotator on annotation.annotator_id = annotator.annotator_id
    where not annotation.is_retracted and annotator.state <> 'blocked'
)

select
    vote.clip_id,
    vote.annotator_id,
    said.field,
    said.rating
from vote
cross join lateral (
    values
    ('arousal', to_jsonb(vote.arousal)),
    ('valence', to_jsonb(vote.valence)),
    ('age_group', to_jsonb(vote.age_group)),
    ('gender', to_jsonb(vote.gender)),
    ('accent', to_jsonb(vote.accent)),
    ('audio_quality', to_jsonb(vote.audio_quality)),
    (
        'emotions',
        (
            select to_jsonb(array_agg(distinct vocabulary.family))
            from catalog.vocabulary
            where vocabulary.version = vote.vocabulary_version and vocabulary.word = any(vote.emotions)
        )
    )
) as said (field, rating)
where said.rating is not null
order by vote.clip_id collate "C", vote.annotator_id collate "C"
