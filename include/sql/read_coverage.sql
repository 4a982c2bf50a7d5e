-- Clips by group: labelled ones, and those in the pipeline whose source was sought for the group. A source that is
-- yet to be cut counts as one.
with
labelled as (select * from catalog.coverage where aim is null),

sought as (
    select
        aim,
        n_clips
    from catalog.coverage
    where aim is not null
    union all
    select
        to_cut.aim,
        count(*)
    from (
        -- One for each of the two indexes.
        select source_id, aim from catalog.source where is_to_cut and retry_at is null
        union all
        select source_id, aim from catalog.source where is_to_cut and retry_at is not null
    ) as to_cut
    where to_cut.aim <> '{}' and not exists (select 1 from catalog.clip where clip.source_id = to_cut.source_id)
    group by to_cut.aim
),

have as (
    select
        'family' as dimension,
        family.value,
        sum(labelled.n_clips)::bigint as n_clips
    from labelled
    cross join lateral unnest(labelled.emotion_plurality) as family (value)
    group by family.value
    union all
    select
        said.dimension,
        said.value,
        sum(labelled.n_clips)::bigint
    from labelled
    cross join lateral (
        values
        ('language', labelled.language),
        ('gender', labelled.gender),
        ('age_group', labelled.age_group)
    ) as said (dimension, value)
    where said.value is not null
    group by said.dimension, said.value
),

pipeline as (
    select
        aimed.key as dimension,
        aimed_at.value,
        sum(sought.n_clips)::bigint as n_clips
    from sought
    cross join lateral jsonb_each(sought.aim) as aimed
    cross join lateral jsonb_array_elements_text(aimed.value) as aimed_at
    group by aimed.key, aimed_at.value
)

select
    dimension,
    value,
    coalesce(have.n_clips, 0) as have,
    coalesce(pipeline.n_clips, 0) as in_pipeline
from have
full join pipeline using (dimension, value)
