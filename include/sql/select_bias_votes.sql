-- Votes by one grouping of the annotators who gave a profile, a row a person; of a release as it was frozen, or all.
with
person as (
    select
        annotator.annotator_id,
        case %(group)s
            when 'age_group' then profile.age_group
            when 'gender' then profile.gender
            when 'first_language' then profile.first_language
        end as "group"
    from catalog.annotator_profile as profile
    inner join catalog.annotator using (annotator_id)
    where annotator.state <> 'blocked'
),

latest as (
    select distinct on (annotation.annotator_id, annotation.clip_id)
        person."group",
        annotation.annotator_id,
        annotation.annotation_id,
        annotation.is_retracted,
        annotation.arousal,
        annotation.valence,
        annotation.emotions,
        annotation.vocabulary_version
    from person
    inner join catalog.annotation using (annotator_id)
    left join catalog.release on release.version = %(version)s
    left join catalog.release_clip
        on release.version = release_clip.version and annotation.clip_id = release_clip.clip_id
    where
        person."group" is not null
        and (
            %(version)s::text is null
            or (release_clip.clip_id is not null and annotation.merged_at <= release.frozen_at)
        )
    order by
        annotation.annotator_id asc, annotation.clip_id asc,
        annotation.submitted_at desc, annotation.annotation_id desc
),

vote as (select * from latest where not is_retracted),

family_count as (
    select
        annotator_id,
        jsonb_object_agg(family, n_votes) as emotion_counts
    from (
        select
            chosen.annotator_id,
            vocabulary.family,
            count(distinct chosen.annotation_id) as n_votes
        from (select annotator_id, annotation_id, vocabulary_version, unnest(emotions) as word from vote) as chosen
        inner join catalog.vocabulary
            on chosen.vocabulary_version = vocabulary.version and chosen.word = vocabulary.word
        group by chosen.annotator_id, vocabulary.family
    ) as counted
    group by annotator_id
)

select
    vote."group",
    count(*) filter (where vote.emotions <> '{}') as n_chosen,
    avg(vote.arousal)::double precision as arousal,
    avg(vote.valence)::double precision as valence,
    coalesce(family_count.emotion_counts, '{}') as emotion_counts
from vote
left join family_count using (annotator_id)
group by vote."group", vote.annotator_id, family_count.emotion_counts
order by vote."group" collate "C", vote.annotator_id collate "C"
