-- One row of figures over all clips of a release; exact sums, so that they don't hang on the order of rows.
select
    count(*) as n_clips,
    count(distinct source_id) as n_sources,
    count(distinct speaker_group) as n_speaker_groups,
    (
        select coalesce(max(by_group.n_clips), 0)
        from (select count(*) as n_clips from card_clip group by speaker_group) as by_group
    ) as n_clips_of_largest_group,
    coalesce(sum(n_raters), 0) as n_votes,
    count(*) filter (where has_agreement) as n_agreed,
    count(*) filter (where arousal_n > 0) as n_with_arousal,
    count(*) filter (where valence_n > 0) as n_with_valence,
    (avg(arousal_std) filter (where arousal_n > 1))::double precision as arousal_std_mean,
    (avg(valence_std) filter (where valence_n > 1))::double precision as valence_std_mean,
    count(*) filter (where is_transcribed) as n_transcribed,
    count(perceived_gender) as n_with_gender,
    avg(perceived_gender_share)::double precision as gender_share_mean,
    count(perceived_age_group) as n_with_age_group,
    avg(perceived_age_group_share)::double precision as age_group_share_mean,
    (percentile_cont(0.5) within group (order by duration_s))::double precision as duration_median_s
from card_clip
