-- Annotations of {source}, each column as one value: that is several times cheaper to fetch than row by row.
-- Texts are parted by NUL, which none can hold, and the items of a list by the unit separator; no text is said as ''.
select
    count(*) as n_rows,
    string_agg(textsend(annotation.clip_id), '\x00') as clip_id,
    string_agg(textsend(annotator_id), '\x00') as annotator_id,
    string_agg(timestamptz_send(submitted_at), '') as submitted_at,
    -- Only orders what was said in one microsecond: 64 bits of the hash will do.
    string_agg(decode(left(annotation_id, 16), 'hex'), '') as annotation_id,
    string_agg(float8send(coalesce(time_spent_s, 'nan')), '') as time_spent_s,
    -- 15 is a number that was not said.
    string_agg(
        int4send(coalesce(arousal, 15) + 16 * coalesce(valence + 5, 15) + 256 * is_retracted::integer), ''
    ) as numbers,
    string_agg(textsend(vocabulary_version), '\x00') as vocabulary_version,
    string_agg(textsend(array_to_string(emotions, E'\x1f')), '\x00') as emotions,
    string_agg(textsend(array_to_string(background_sounds, E'\x1f')), '\x00') as background_sounds,
    string_agg(textsend(array_to_string(flagged_fields, E'\x1f')), '\x00') as flagged_fields,
    string_agg(textsend(coalesce(age_group, '')), '\x00') as age_group,
    string_agg(textsend(coalesce(gender, '')), '\x00') as gender,
    string_agg(textsend(coalesce(accent, '')), '\x00') as accent,
    string_agg(textsend(coalesce(audio_quality, '')), '\x00') as audio_quality,
    string_agg(textsend(coalesce(language, '')), '\x00') as language,
    string_agg(textsend(coalesce(transcription, '')), '\x00') as transcription,
    string_agg(textsend(coalesce(audio_description, '')), '\x00') as audio_description,
    string_agg(textsend(coalesce(video_description, '')), '\x00') as video_description
from {source}
