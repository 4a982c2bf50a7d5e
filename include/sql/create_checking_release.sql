-- The frozen clips and links of a release, with what the catalog says of each clip now.
-- Fields are taken out one by one: as a record, each sample would be a table of one row first.
create unlogged table checking.release as
select
    frozen.clip_id,
    frozen.is_link,
    frozen.split,
    frozen.sample ->> 'speaker_group' as speaker_group,
    frozen.sample ->> 'licence' as licence,
    frozen.sample ->> 'audio_sha256' as audio_sha256,
    (frozen.sample ->> 'duration_s')::double precision as duration_s,
    (frozen.sample ->> 'sample_rate_hz')::integer as sample_rate_hz,
    (frozen.sample ->> 'n_raters')::integer as n_raters,
    (frozen.sample ->> 'arousal_mean')::double precision as arousal_mean,
    (frozen.sample ->> 'valence_mean')::double precision as valence_mean,
    (frozen.sample ->> 'is_held')::boolean as is_held,
    frozen.sample ->> 'perceived_gender' as perceived_gender,
    frozen.sample ->> 'perceived_age_group' as perceived_age_group,
    frozen.sample ->> 'perceived_accent' as perceived_accent,
    frozen.sample ->> 'language' as language,
    frozen.sample -> 'emotion_plurality' as emotion_plurality,
    (frozen.sample ->> 'transcription') is not null as is_transcribed,
    coalesce(frozen.sample -> 'emotion_consensus' ? 'no_agreement', false) as is_disputed,
    -- The sign first: the pattern costs more than all else here, and hardly any text has one.
    strpos(said.words, '@') > 0 and said.words ~* '[[:alnum:]._%%+-]+@[[:alnum:].-]+[.][[:alpha:]]{2,}' as has_address,
    -- The path gives weights one at a time; jsonb_each_text, which puts all into a table first, takes twice as long.
    (
        select sum((weight #>> '{}')::double precision)
        from (select jsonb_path_query(frozen.sample -> 'emotion_soft', 'strict $.*') as weight) as given
    ) as emotion_soft_sum,
    coalesce(clip.state, 'unknown') as clip_state
from (
    -- Joined here, and not by the view: in the memory that the checks have, workers do it without writing samples out.
    -- By the hash alone, of which the clip's id is part: of two columns the planner expects one row in a million.
    select release_clip.clip_id, split, false as is_link, sample
    from catalog.release_clip
    inner join catalog.sample using (sample_sha256)
    where version = %(version)s
    union all
    select clip_id, sample ->> 'split' as split, true as is_link, sample
    from catalog.release_link
    inner join catalog.sample using (clip_id, sample_sha256)
    where version = %(version)s
) as frozen
cross join lateral (
    select
        concat_ws(
            ' ', frozen.sample ->> 'title', frozen.sample ->> 'transcription',
            frozen.sample ->> 'audio_description', frozen.sample ->> 'video_description'
        ) as words
) as said
left join catalog.clip on frozen.clip_id = clip.clip_id
