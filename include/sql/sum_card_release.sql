-- One row of figures over all clips of a release; exact sums, so that they don't hang on the order of rows.
with
clip as (
    select
        sample ->> 'source_id' as source_id,
        sample ->> 'speaker_group' as speaker_group,
        (sample ->> 'n_raters')::integer as n_raters,
        (sample ->> 'has_agreement')::boolean as has_agreement,
        (sample ->> 'arousal_n')::integer as arousal_n,
        (sample ->> 'arousal_std')::numeric as arousal_std,
        (sample ->> 'valence_n')::integer as valence_n,
        (sample ->> 'valence_std')::numeric as valence_std,
        sample ->> 'transcription' as transcription,
        sample ->> 'perceived_gender' as perceived_gender,
        (sample ->> 'perceived_gender_share')::numeric as perceived_gender_share,
        sample ->> 'perceived_age_group' as perceived_age_group,
        (sample ->> 'perceived_age_group_share')::numeric as perceived_age_group_share,
        (sample ->> 'duration_s')::numeric as duration_s
    from catalog.released_clip
    where version = %(version)s
)

select
    count(*) as n_clips,
    count(distinct source_id) as n_sources,
    count(distinct speaker_group) as n_speaker_groups,
    (
        select coalesce(max(by_group.n_clips), 0)
        from (select count(*) as n_clips from clip group by speaker_group) as by_group
    ) as n_clips_of_largest_group,
    coalesce(sum(n_raters), 0) as n_votes,
    count(*) filter (where has_agreement) as n_agreed,
    count(*) filter (where arousal_n > 0) as n_with_arousal,
    count(*) filter (where valence_n > 0) as n_with_valence,
    (avg(arousal_std) filter (where arousal_n > 1))::double precision as arousal_std_mean,
    (avg(valence_std) filter (where valence_n > 1))::double precision as valence_std_mean,
    count(transcription) as n_transcribed,
    count(perceived_gender) as n_with_gender,
    avg(perceived_gender_share)::double precision as gender_share_mean,
    count(perceived_age_group) as n_with_age_group,
    avg(perceived_age_group_share)::double precision as age_group_share_mean,
    (percentile_cont(0.5) within group (order by duration_s))::double precision as duration_median_s
from clip
