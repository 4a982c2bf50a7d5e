-- Every emotion family of the release's vocabulary, with how often it won, tied ones counted for each; was named by
-- two raters or more; and its mass over all clips' soft labels. Families that nobody heard stand in it with 0.
with
family as (
    select distinct vocabulary.family
    from catalog.vocabulary
    inner join catalog.release on vocabulary.version = release.vocabulary_version
    where release.version = %(version)s
),

plurality as (
    select
        family,
        count(*) as n_clips
    from card_clip
    cross join lateral unnest(emotion_plurality) as won (family)
    group by family
),

hard as (
    select
        family,
        count(*) as n_clips
    from card_clip
    cross join lateral unnest(emotion_hard) as agreed (family)
    group by family
),

soft as (
    select
        weighed.family,
        sum(weighed.weight::numeric) as mass
    from card_clip
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
