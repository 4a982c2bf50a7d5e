-- The least and the greatest of each column of checking.annotation, and any id: what lies within bounds does so if these
-- do. Worked out of them alone, as to turn five million times into days costs as much as to read them.
create unlogged table checking.annotation_digest as
with
found as (
    select
        min(arousal) as least_arousal,
        max(arousal) as greatest_arousal,
        min(valence) as least_valence,
        max(valence) as greatest_valence,
        min(submitted_at) as first_submitted_at,
        max(submitted_at) as last_submitted_at,
        min(merged_at) as first_merged_at,
        max(merged_at) as last_merged_at
    from catalog.annotation
)

select
    (select annotation_id from catalog.annotation limit 1) as annotation_id,
    extreme.arousal,
    extreme.valence,
    extreme.submitted_at > now() + interval '1 day' as is_from_the_future,
    extract(day from now() - extreme.merged_at)::integer as days_since_merge
from found
cross join lateral (
    values
    (found.least_arousal, found.least_valence, found.first_submitted_at, found.first_merged_at),
    (found.greatest_arousal, found.greatest_valence, found.last_submitted_at, found.last_merged_at)
) as extreme (arousal, valence, submitted_at, merged_at)
