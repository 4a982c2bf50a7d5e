-- Labels of the clips in clip_to_label, from the latest annotation of each annotator who is not blocked.
-- A clip whose votes were all withdrawn keeps a label of none: it is known that it was asked.
with
vote as materialized (
    select
        current_annotation.*,
        -- Exact sums: those of floats hang on the order in which the rows come.
        annotator.weight::numeric as weight,
        coalesce(annotator.arousal_weight, annotator.weight)::numeric as arousal_weight,
        coalesce(annotator.valence_weight, annotator.weight)::numeric as valence_weight
    from (
        select distinct on (annotation.clip_id, annotation.annotator_id) annotation.*
        from clip_to_label
        inner join catalog.annotation using (clip_id)
        order by
            annotation.clip_id asc, annotation.annotator_id asc,
            annotation.submitted_at desc, annotation.annotation_id desc
    ) as current_annotation
    inner join catalog.annotator using (annotator_id)
    where not current_annotation.is_retracted and annotator.state <> 'blocked'
),

word_vote as (
    select distinct
        said.clip_id,
        said.annotator_id,
        said.weight,
        coalesce(vocabulary.current_word, vocabulary.word) as word,
        vocabulary.family
    from (
        -- Not as a lateral join: that reads the vocabulary again for each vote.
        select
            clip_id,
            annotator_id,
            weight,
            vocabulary_version,
            unnest(emotions) as word
        from vote
    ) as said
    inner join catalog.vocabulary
        on said.vocabulary_version = vocabulary.version and said.word = vocabulary.word
),

word_count as (
    select
        clip_id,
        jsonb_object_agg(word, n_raters) as word_votes
    from (
        select
            clip_id,
            word,
            count(*) as n_raters
        from word_vote
        group by clip_id, word
    ) as counted
    group by clip_id
),

family_count as (
    select
        clip_id,
        family,
        count(distinct annotator_id) as n_raters,
        sum(weight) as weight
    from (select distinct clip_id, annotator_id, weight, family from word_vote) as family_vote
    group by clip_id, family
),

family_share as (
    select
        *,
        (weight / nullif(sum(weight) over (partition by clip_id), 0))::double precision as soft,
        max(n_raters) over (partition by clip_id) as most
    from family_count
),

chooser_count as (
    select
        clip_id,
        count(distinct annotator_id) as n_choosers
    from word_vote
    group by clip_id
),

emotion as (
    select
        clip_id,
        jsonb_object_agg(family, n_raters) as emotion_votes,
        coalesce(jsonb_object_agg(family, soft) filter (where soft is not null), '{}') as emotion_soft,
        coalesce(array_agg(family order by family collate "C") filter (where n_raters >= 2), '{}') as emotion_hard,
        array_agg(family order by family collate "C") filter (where n_raters = most) as emotion_plurality,
        case
            when max(most) >= 2
                then array_agg(family order by family collate "C") filter (where n_raters = most)
            when max(n_choosers) >= 2 then array['no_agreement']
            else '{}'
        end as emotion_consensus,
        -- Of a vote taken by chance: how likely another rater of the clip made it too (Fleiss' P of one item).
        sum(n_raters * (n_raters - 1))::double precision
        / nullif((max(n_choosers) - 1) * sum(n_raters), 0)::double precision as emotion_agreement
    from family_share
    inner join chooser_count using (clip_id)
    group by clip_id
),

perceived as (
    select
        clip_id,
        field,
        (array_agg(value order by n_raters desc, value collate "C" asc))[1] as value,
        max(n_raters) / sum(n_raters)::double precision as share
    from (
        select
            vote.clip_id,
            said.field,
            said.value,
            count(*) as n_raters
        from vote
        cross join lateral (
            values ('age_group', vote.age_group), ('gender', vote.gender), ('accent', vote.accent)
        ) as said (field, value)
        where said.value is not null
        group by vote.clip_id, said.field, said.value
    ) as counted
    group by clip_id, field
),

sound as (
    -- A sound is there if at least half of those who answered heard it.
    select
        clip_id,
        array_agg(sound order by sound collate "C") as background_sounds
    from (
        select
            vote.clip_id,
            heard.sound,
            count(distinct vote.annotator_id) as n_raters,
            answered.n_raters as n_answered
        from vote
        cross join lateral unnest(vote.background_sounds) as heard (sound)
        inner join (
            select
                clip_id,
                count(*) as n_raters
            from vote
            where background_sounds <> '{}'
            group by clip_id
        ) as answered on vote.clip_id = answered.clip_id
        group by vote.clip_id, heard.sound, answered.n_raters
    ) as counted
    where 2 * n_raters >= n_answered
    group by clip_id
),

report as (
    -- What was reported before a person decided is decided.
    select
        vote.clip_id,
        count(distinct vote.annotator_id) >= 2
        or bool_or(reported.kind = any(%(grave_reports)s)) as is_held
    from vote
    cross join lateral unnest(vote.reports) as reported (kind)
    left join catalog.hold_decision using (clip_id)
    where hold_decision.decided_at is null or vote.merged_at > hold_decision.decided_at
    group by vote.clip_id
),

field as (
    select
        clip_id,
        count(*) as n_raters,
        avg(arousal)::double precision as arousal_mean,
        (sum(arousal * arousal_weight) / nullif(sum(arousal_weight) filter (where arousal is not null), 0))::double precision
            as arousal_weighted,
        stddev_pop(arousal)::double precision as arousal_std,
        count(arousal) as arousal_n,
        avg(valence)::double precision as valence_mean,
        (sum(valence * valence_weight) / nullif(sum(valence_weight) filter (where valence is not null), 0))::double precision
            as valence_weighted,
        stddev_pop(valence)::double precision as valence_std,
        count(valence) as valence_n,
        percentile_disc(0.5) within group (
            order by array_position(array['unusable', 'poor', 'average', 'good', 'excellent'], audio_quality)
        ) as audio_quality,
        mode() within group (order by transcription collate "C") filter (where 'transcription' <> all(flagged_fields))
            as transcription,
        mode() within group (order by language collate "C") as language,
        mode() within group (order by audio_description collate "C") filter (where 'audio_description' <> all(flagged_fields))
            as audio_description,
        mode() within group (order by video_description collate "C") filter (where 'video_description' <> all(flagged_fields))
            as video_description
    from vote
    group by clip_id
)

insert into catalog.label
select
    clip_to_label.clip_id,
    coalesce(field.n_raters, 0) as n_raters,
    coalesce(emotion.emotion_votes, '{}') as emotion_votes,
    coalesce(word_count.word_votes, '{}') as word_votes,
    coalesce(emotion.emotion_soft, '{}') as emotion_soft,
    coalesce(emotion.emotion_hard, '{}') as emotion_hard,
    coalesce(emotion.emotion_plurality, '{}') as emotion_plurality,
    coalesce(cardinality(emotion.emotion_hard) > 0, false) as has_agreement,
    field.arousal_mean,
    field.arousal_weighted,
    field.arousal_std,
    coalesce(field.arousal_n, 0) as arousal_n,
    field.valence_mean,
    field.valence_weighted,
    field.valence_std,
    coalesce(field.valence_n, 0) as valence_n,
    age_group.value as perceived_age_group,
    age_group.share as perceived_age_group_share,
    gender.value as perceived_gender,
    gender.share as perceived_gender_share,
    accent.value as perceived_accent,
    accent.share as perceived_accent_share,
    (array['unusable', 'poor', 'average', 'good', 'excellent'])[field.audio_quality] as audio_quality,
    coalesce(sound.background_sounds, '{}') as background_sounds,
    field.transcription,
    field.language,
    field.audio_description,
    field.video_description,
    coalesce(hold_decision.is_held, false) or coalesce(report.is_held, false) as is_held,
    %(vocabulary_version)s as vocabulary_version,
    coalesce(emotion.emotion_consensus, '{}') as emotion_consensus,
    emotion.emotion_agreement
from clip_to_label
left join field on clip_to_label.clip_id = field.clip_id
left join emotion on clip_to_label.clip_id = emotion.clip_id
left join word_count on clip_to_label.clip_id = word_count.clip_id
left join sound on clip_to_label.clip_id = sound.clip_id
left join report on clip_to_label.clip_id = report.clip_id
left join catalog.hold_decision on clip_to_label.clip_id = hold_decision.clip_id
left join perceived as age_group
    on clip_to_label.clip_id = age_group.clip_id and age_group.field = 'age_group'
left join perceived as gender
    on clip_to_label.clip_id = gender.clip_id and gender.field = 'gender'
left join perceived as accent
    on clip_to_label.clip_id = accent.clip_id and accent.field = 'accent'
order by clip_to_label.clip_id
on conflict (clip_id) do update
    set n_raters = excluded.n_raters,
        emotion_votes = excluded.emotion_votes,
        word_votes = excluded.word_votes,
        emotion_soft = excluded.emotion_soft,
        emotion_hard = excluded.emotion_hard,
        emotion_plurality = excluded.emotion_plurality,
        has_agreement = excluded.has_agreement,
        arousal_mean = excluded.arousal_mean,
        arousal_weighted = excluded.arousal_weighted,
        arousal_std = excluded.arousal_std,
        arousal_n = excluded.arousal_n,
        valence_mean = excluded.valence_mean,
        valence_weighted = excluded.valence_weighted,
        valence_std = excluded.valence_std,
        valence_n = excluded.valence_n,
        perceived_age_group = excluded.perceived_age_group,
        perceived_age_group_share = excluded.perceived_age_group_share,
        perceived_gender = excluded.perceived_gender,
        perceived_gender_share = excluded.perceived_gender_share,
        perceived_accent = excluded.perceived_accent,
        perceived_accent_share = excluded.perceived_accent_share,
        audio_quality = excluded.audio_quality,
        background_sounds = excluded.background_sounds,
        transcription = excluded.transcription,
        language = excluded.language,
        audio_description = excluded.audio_description,
        video_description = excluded.video_description,
        is_held = excluded.is_held,
        vocabulary_version = excluded.vocabulary_version,
        emotion_consensus = excluded.emotion_consensus,
        emotion_agreement = excluded.emotion_agreement
