-- What an annotator's newest annotations say of how they work; one row for each annotator to renew.
-- Correlations are with the mean of all raters of a clip, theirs included: Grimm & Kroschel 2005.
with
clip_mean as (
    select
        clip_id,
        avg(arousal) filter (where not is_blocked) as arousal,
        count(arousal) filter (where not is_blocked) as arousal_n,
        avg(valence) filter (where not is_blocked) as valence,
        count(valence) filter (where not is_blocked) as valence_n
    from judged_vote
    group by clip_id
),

own as (
    select
        judged_vote.*,
        -- From the id, as a clip may become known only later.
        (
            substring(judged_vote.clip_id from '-\d{1,9}-(\d{1,9})$')::integer
            - substring(judged_vote.clip_id from '-(\d{1,9})-\d{1,9}$')::integer
        ) / 1000.0 as clip_s,
        case when clip_mean.arousal_n >= 2 then clip_mean.arousal end as arousal_all,
        case when clip_mean.valence_n >= 2 then clip_mean.valence end as valence_all,
        array(select word.word from unnest(judged_vote.emotions) as word (word) order by word.word collate "C")::text
        || coalesce('a' || judged_vote.arousal, '') || coalesce('v' || judged_vote.valence, '') as answer
    from judged_vote
    inner join clip_mean using (clip_id)
    where judged_vote.is_recent
),

same as (
    select
        annotator_id,
        max(n_same) as n_same
    from (
        select
            annotator_id,
            answer,
            count(*) as n_same
        from own
        group by annotator_id, answer
    ) as counted
    group by annotator_id
),

gold as (
    select
        own.annotator_id,
        count(*) as n_gold,
        count(*) filter (
            where
            (
                gold_answer.families = '{}'
                or exists (
                    select 1
                    from catalog.vocabulary
                    where
                        vocabulary.version = own.vocabulary_version
                        and vocabulary.word = any(own.emotions)
                        and vocabulary.family = any(gold_answer.families)
                )
            )
            and coalesce(own.arousal >= gold_answer.arousal_min, true)
            and coalesce(own.arousal <= gold_answer.arousal_max, true)
            and coalesce(own.valence >= gold_answer.valence_min, true)
            and coalesce(own.valence <= gold_answer.valence_max, true)
        ) as n_gold_right
    from own
    inner join catalog.gold_answer using (clip_id)
    group by own.annotator_id
)

select
    annotator_to_renew.annotator_id,
    count(own.clip_id) as n_annotations,
    round(corr(own.arousal, own.arousal_all)::numeric, 6)::double precision as arousal_correlation,
    count(own.arousal) filter (where own.arousal_all is not null) as arousal_n,
    round(corr(own.valence, own.valence_all)::numeric, 6)::double precision as valence_correlation,
    count(own.valence) filter (where own.valence_all is not null) as valence_n,
    coalesce(max(gold.n_gold), 0) as n_gold,
    coalesce(max(gold.n_gold_right), 0) as n_gold_right,
    count(*) filter (where own.time_spent_s is not null and own.clip_s is not null) as n_timed,
    avg((own.time_spent_s < own.clip_s)::integer)::double precision as fast_share,
    max(same.n_same)::double precision / nullif(count(own.clip_id), 0) as same_share,
    count(*) filter (where length(own.audio_description) >= 20) as n_described,
    1 - count(distinct own.audio_description) filter (where length(own.audio_description) >= 20)::double precision
    / nullif(count(*) filter (where length(own.audio_description) >= 20), 0) as pasted_share
from annotator_to_renew
left join own using (annotator_id)
left join same using (annotator_id)
left join gold using (annotator_id)
group by annotator_to_renew.annotator_id
order by annotator_to_renew.annotator_id collate "C"
