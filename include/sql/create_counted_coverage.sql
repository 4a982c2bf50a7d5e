-- Clips by group: labelled ones, and those in the pipeline whose source was sought for the group. Only ready clips with
-- a rater have a label that counts. Millions of rows are counted by what is the same in them, of which there is little;
-- in one pass over clips, labels and sources, which Postgres shares among its workers, as it would not for an insert.
create temporary table counted on commit drop as
select
    label.emotion_plurality,
    label.language,
    label.perceived_gender as gender,
    label.perceived_age_group as age_group,
    source.aim,
    count(*) as n_clips
from catalog.clip
left join catalog.label on clip.clip_id = label.clip_id and label.n_raters > 0 and clip.state = 'ready'
left join catalog.source on clip.source_id = source.source_id and source.aim <> '{}' and label.clip_id is null
where
    clip.state in ('candidate', 'failed', 'ready')
    and (label.clip_id is not null or source.source_id is not null)
group by label.emotion_plurality, label.language, label.perceived_gender, label.perceived_age_group, source.aim
