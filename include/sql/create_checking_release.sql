-- The frozen clips and links of a release, with what the catalog says of each clip now.
create unlogged table checking.release as
select
    frozen.clip_id,
    frozen.is_link,
    frozen.split,
    said.speaker_group,
    said.licence,
    said.audio_sha256,
    said.duration_s,
    said.sample_rate_hz,
    said.n_raters,
    said.arousal_mean,
    said.valence_mean,
    said.is_held,
    said.perceived_gender,
    said.perceived_age_group,
    said.perceived_accent,
    said.emotion_plurality,
    lower(substring(said.language from '^[A-Za-z]{2,3}')) as language,
    said.transcription is not null as is_transcribed,
    coalesce('no_agreement' = any(said.emotion_consensus), false) as is_disputed,
    -- The sign first: the pattern costs more than all else here, and hardly any text has one.
    strpos(said.words, '@') > 0 and said.words ~* '[[:alnum:]._%%+-]+@[[:alnum:].-]+[.][[:alpha:]]{2,}' as has_address,
    (select sum(weight.value::double precision) from jsonb_each_text(said.emotion_soft) as weight) as emotion_soft_sum,
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
        given.*,
        concat_ws(' ', given.title, given.transcription, given.audio_description, given.video_description) as words
    from
        jsonb_to_record(frozen.sample) as given (
            speaker_group text, licence text, audio_sha256 text, duration_s double precision, sample_rate_hz integer,
            n_raters integer, arousal_mean double precision, valence_mean double precision, is_held boolean,
            perceived_gender text, perceived_age_group text, perceived_accent text, emotion_plurality text [],
            emotion_consensus text [], emotion_soft jsonb, language text, title text, transcription text,
            audio_description text, video_description text
        )
) as said
left join catalog.clip on frozen.clip_id = clip.clip_id
