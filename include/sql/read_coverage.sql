-- Clips by group: labelled ones, and those in the pipeline whose source was sought for the group. A source that is
-- yet to be cut counts as one. Only ready clips with a rater have a label that counts.
with
labelled as (
    select label.*
    from catalog.label
    inner join catalog.clip using (clip_id)
    where label.n_raters > 0 and clip.state = 'ready'
),

sought as (
    select
        source.aim,
        count(clip.clip_id) filter (
            where
            clip.state in ('candidate', 'failed')
            or (clip.state = 'ready' and coalesce(label.n_raters, 0) = 0)
        ) + (source.is_to_cut and count(clip.clip_id) = 0)::integer as n_clips
    from catalog.source
    left join catalog.clip using (source_id)
    left join catalog.label using (clip_id)
    where source.aim <> '{}'
    group by source.source_id
),

have as (
    select
        'family' as dimension,
        family.value,
        count(*) as n_clips
    from labelled
    cross join lateral unnest(labelled.emotion_plurality) as family (value)
    group by family.value
    union all
    select
        dimension,
        value,
        count(*)
    from labelled
    cross join lateral (
        values
        ('language', labelled.language),
        ('gender', labelled.perceived_gender),
        ('age_group', labelled.perceived_age_group)
    ) as said (dimension, value)
    where value is not null
    group by dimension, value
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
