-- Move clips that changed from the group in which they were counted to the one in which create_counted_coverage.sql
-- would count them now. What is looked up has a limit or an offset, so that it is looked up one by one, by the index,
-- however many the planner takes it for: the cost follows what changed.
with
changed as (
    select id as clip_id
    from noted
    where kind in ('clip', 'label')
    union
    select clip.clip_id
    from noted
    cross join lateral (select clip_id from catalog.clip where source_id = noted.id offset 0) as clip
    where noted.kind = 'source'
),

-- Each as it is now, and as it was counted.
side as (
    select
        version.*,
        version.state = 'ready' and coalesce(version.n_raters > 0, false) as is_labelled,
        case when version.is_now or source_was.id is null then source.aim else source_was.aim end as aim
    from changed
    left join noted as clip_was on changed.clip_id = clip_was.id and clip_was.kind = 'clip'
    left join noted as label_was on changed.clip_id = label_was.id and label_was.kind = 'label'
    left join lateral (select * from catalog.clip where clip_id = changed.clip_id limit 1) as clip on true
    left join lateral (select * from catalog.label where clip_id = changed.clip_id limit 1) as label on true
    cross join lateral (
        select
            true as is_now,
            clip.source_id,
            clip.state,
            label.n_raters,
            label.emotion_plurality,
            label.language,
            label.perceived_gender as gender,
            label.perceived_age_group as age_group
        union all
        select
            false,
            case when clip_was.id is null then clip.source_id else clip_was.source_id end,
            case when clip_was.id is null then clip.state else clip_was.state end,
            case when label_was.id is null then label.n_raters else label_was.n_raters end,
            case when label_was.id is null then label.emotion_plurality else label_was.emotion_plurality end,
            case when label_was.id is null then label.language else label_was.language end,
            case when label_was.id is null then label.perceived_gender else label_was.gender end,
            case when label_was.id is null then label.perceived_age_group else label_was.age_group end
    ) as version
    left join lateral (select * from catalog.source where source_id = version.source_id limit 1) as source on true
    left join noted as source_was on version.source_id = source_was.id and source_was.kind = 'source'
),

moved as (
    select
        case when is_labelled then emotion_plurality end as emotion_plurality,
        case when is_labelled then language end as language,
        case when is_labelled then gender end as gender,
        case when is_labelled then age_group end as age_group,
        case when not is_labelled then aim end as aim,
        case when is_now then 1 else -1 end as n_clips
    from side
    where is_labelled or (state in ('candidate', 'failed', 'ready') and aim <> '{}')
)

insert into catalog.coverage (emotion_plurality, language, gender, age_group, aim, n_clips)
select
    emotion_plurality,
    language,
    gender,
    age_group,
    aim,
    sum(n_clips)
from moved
group by emotion_plurality, language, gender, age_group, aim
having sum(n_clips) <> 0
on conflict (emotion_plurality, language, gender, age_group, aim) do update
    set n_clips = coverage.n_clips + excluded.n_clips
