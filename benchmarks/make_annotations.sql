-- Made-up annotations number first to last: five raters a clip, ten thousand clips to a cohort of a hundred raters, who
-- mostly agree. Cohorts follow each other in time, as volunteers do. With n_old_clips each is of any of these instead.
insert into {into}
(
    annotation_id, clip_id, annotator_id, submitted_at, time_spent_s, transcription, language, audio_description, arousal,
    valence, age_group, gender, accent, audio_quality, background_sounds, emotions, reports, is_retracted,
    vocabulary_version, file, line
)
select
    repeat(md5(n::text), 2),
    'youtube-abcdefghijk-' || clip || '-' || clip + 9000,
    'rater-' || n / 50000 * 100 + slot * 20 + (chance & 1023) %% 20,
    timestamptz '2026-01-01 10:00:00+00' + n * interval '1 second',
    5 + (chance >> 10 & 63),
    'This is what was said in the clip ' || translate(clip::text, '0123456789', 'abcdefghij') || case when slot > 2 then ' or so' else '' end,
    'en',
    case when slot = 0 then 'A person speaks slowly in a quiet room, clip ' || translate(clip::text, '0123456789', 'abcdefghij') end,
    greatest(0, least(10, (truth & 1023) %% 11 + (chance >> 16 & 255) %% 3 - 1)),
    greatest(-5, least(5, (truth >> 10 & 1023) %% 11 + (chance >> 24 & 255) %% 3 - 6)),
    (array['13-19', '20-39', '40-59'])[1 + (truth >> 20 & 255) %% 3],
    (array['male', 'female'])[1 + (truth >> 28 & 1)],
    (array['us_english', 'irish', 'unsure'])[1 + (chance >> 32 & 255) %% 3],
    (array['average', 'good', 'excellent'])[1 + (chance >> 40 & 255) %% 3],
    array[(array['none', 'music', 'animals'])[1 + (truth >> 30 & 255) %% 3]],
    case
        when (chance >> 48 & 127) < 100 then array[words[1 + (truth >> 40 & 1023) %% 7]]
        else array[words[1 + (chance >> 55 & 127) %% 7], 'cheerful']
    end,
    '{{}}',
    false,
    %(vocabulary_version)s,
    'made',
    1
from (
    select
        *,
        hashint8extended(clip, 1) & 9223372036854775807 as truth
    from (
    select
        n,
        coalesce(abs(hashint8(n)) %% %(n_old_clips)s::bigint, n / 5) as clip,
        n %% 5 as slot,
        hashint8extended(n, 0) & 9223372036854775807 as chance,
        array['happy', 'sad', 'calm', 'angry', 'neutral', 'afraid', 'amazed'] as words
    from generate_series(%(first)s::bigint, %(last)s::bigint) as n
    ) as numbered
) as made
