-- Labels by one grouping of the speakers, of a release or of all that could be released now: a row for each speaker
-- group in a group, because clips of one speaker are no independent ones. Exact sums.
with
clip as (
    select
        case %(group)s
            when 'language' then language
            when 'accent' then accent
            when 'gender' then gender
            when 'age_group' then age_group
        end as "group",
        speaker_group,
        arousal,
        valence,
        families
    from bias_clip
),

family_count as (
    select
        "group",
        speaker_group,
        jsonb_object_agg(family, n_clips) as emotion_counts
    from (
        select
            clip."group",
            clip.speaker_group,
            chosen.family,
            count(*) as n_clips
        from clip
        cross join lateral unnest(clip.families) as chosen (family)
        group by clip."group", clip.speaker_group, chosen.family
    ) as counted
    group by "group", speaker_group
)

select
    clip."group",
    clip.speaker_group,
    count(*) as n_clips,
    coalesce(sum(clip.arousal), 0)::double precision as arousal_sum,
    count(clip.arousal) as arousal_n,
    coalesce(sum(clip.valence), 0)::double precision as valence_sum,
    count(clip.valence) as valence_n,
    coalesce(family_count.emotion_counts, '{}') as emotion_counts
from clip
left join family_count
    on clip."group" = family_count."group" and clip.speaker_group = family_count.speaker_group
group by clip."group", clip.speaker_group, family_count.emotion_counts
order by clip."group" collate "C", clip.speaker_group collate "C"
