-- Labels by one grouping of the speakers, of a release or of all that could be released now: a row for each speaker
-- group in a group, because clips of one speaker are no independent ones. Exact sums.
-- By CASE, twice: to look the column up in each row's JSON takes five times as long.
with
part as (
    select
        bias_part.*,
        case %(group)s
            when 'language' then language
            when 'accent' then accent
            when 'gender' then gender
            when 'age_group' then age_group
        end as "group"
    from bias_part
),

family as (
    select
        speaker_group,
        family,
        n_clips,
        case %(group)s
            when 'language' then language
            when 'accent' then accent
            when 'gender' then gender
            when 'age_group' then age_group
        end as "group"
    from bias_family
),

family_count as (
    select
        "group",
        speaker_group,
        jsonb_object_agg(family, n_clips) as emotion_counts
    from (
        select
            "group",
            speaker_group,
            family,
            sum(n_clips)::bigint as n_clips
        from family
        group by "group", speaker_group, family
    ) as counted
    group by "group", speaker_group
)

select
    part."group",
    part.speaker_group,
    sum(part.n_clips)::bigint as n_clips,
    coalesce(sum(part.arousal_sum), 0)::double precision as arousal_sum,
    sum(part.arousal_n)::bigint as arousal_n,
    coalesce(sum(part.valence_sum), 0)::double precision as valence_sum,
    sum(part.valence_n)::bigint as valence_n,
    coalesce(family_count.emotion_counts, '{}') as emotion_counts
from part
left join family_count
    on part."group" = family_count."group" and part.speaker_group = family_count.speaker_group
group by part."group", part.speaker_group, family_count.emotion_counts
order by part."group" collate "C", part.speaker_group collate "C"
