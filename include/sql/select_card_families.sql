-- Every emotion family of the release's vocabulary, with how often it won, tied ones counted for each; was named by
-- two raters or more; and its mass over all clips' soft labels. Families that nobody heard stand in it with 0.
with
family as (
    select distinct vocabulary.family
    from catalog.vocabulary
    inner join catalog.release on vocabulary.version = release.vocabulary_version
    where release.version = %(version)s
),

-- What is said of clips repeats: each answer is counted before it is split.
answer as (
    select
        emotion_plurality,
        emotion_hard,
        emotion_soft,
        count(*) as n_clips
    from card_clip
    group by emotion_plurality, emotion_hard, emotion_soft
),

plurality as (
    select
        family,
        sum(n_clips)::bigint as n_clips
    from answer
    cross join lateral unnest(emotion_plurality) as won (family)
    group by family
),

hard as (
    select
        family,
        sum(n_clips)::bigint as n_clips
    from answer
    cross join lateral unnest(emotion_hard) as agreed (family)
    group by family
),

soft as (
    select
        weighed.family,
        sum(weighed.weight::numeric * answer.n_clips) as mass
    from answer
    cross join lateral jsonb_each_text(emotion_soft) as weighed (family, weight)
    group by weighed.family
)

select
    family,
    coalesce(plurality.n_clips, 0) as n_plurality,
    coalesce(hard.n_clips, 0) as n_hard,
    coalesce(soft.mass, 0)::double precision as soft_mass
from family
full join plurality using (family)
full join hard using (family)
full join soft using (family)
order by n_plurality desc, soft_mass desc, family collate "C" asc
