-- Clips by group: labelled ones, and those in the pipeline whose source was sought for the group. A source that is
-- yet to be cut counts as one. Only ready clips with a rater have a label that counts. Millions of rows are first
-- counted by what is the same in them, of which there is little, and taken apart after that.
with
labelled as (
    select
        label.emotion_plurality,
        label.language,
        label.perceived_gender as gender,
        label.perceived_age_group as age_group,
        count(*) as n_clips
    from catalog.label
    inner join catalog.clip using (clip_id)
    where label.n_raters > 0 and clip.state = 'ready'
    group by label.emotion_plurality, label.language, label.perceived_gender, label.perceived_age_group
),

sought as (
    select
        source.aim,
        count(*) as n_clips
    from catalog.source
    inner join catalog.clip using (source_id)
    left join catalog.label on label.clip_id = clip.clip_id and label.n_raters > 0
    where
        source.aim <> '{}'
        and (clip.state in ('candidate', 'failed') or (clip.state = 'ready' and label.clip_id is null))
    group by source.aim
    union all
    select
        source.aim,
        count(*)
    from catalog.source
    where
        source.aim <> '{}'
        and source.is_to_cut
        and not exists (select 1 from catalog.clip where clip.source_id = source.source_id)
    group by source.aim
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
