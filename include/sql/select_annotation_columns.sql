-- Annotations of {source}, each column as one value: that is several times cheaper to fetch than row by row.
-- What people wrote is parted by NUL, which no text can hold: at the price of textsend(), as only bytes can. Words and
-- ids, which the contract knows, are parted by the record separator, the items of a list by the unit separator. No text
-- is said as ''.
select
    count(*) as n_rows,
    textsend(string_agg(annotation.clip_id, E'\x1e')) as clip_id,
    string_agg(textsend(annotator_id), '\x00') as annotator_id,
    string_agg(timestamptz_send(submitted_at), '') as submitted_at,
    -- Only orders what was said in one microsecond: 64 bits of the hash will do.
    string_agg(decode(left(annotation_id, 16), 'hex'), '') as annotation_id,
    string_agg(float8send(coalesce(time_spent_s, 'nan')), '') as time_spent_s,
    -- 15 is a number that was not said.
    string_agg(
        int4send(coalesce(arousal, 15) + 16 * coalesce(valence + 5, 15) + 256 * is_retracted::integer), ''
    ) as numbers,
    textsend(string_agg(vocabulary_version, E'\x1e')) as vocabulary_version,
    textsend(string_agg(array_to_string(emotions, E'\x1f'), E'\x1e')) as emotions,
    textsend(string_agg(array_to_string(background_sounds, E'\x1f'), E'\x1e')) as background_sounds,
    textsend(string_agg(array_to_string(flagged_fields, E'\x1f'), E'\x1e')) as flagged_fields,
    textsend(string_agg(coalesce(age_group, ''), E'\x1e')) as age_group,
    textsend(string_agg(coalesce(gender, ''), E'\x1e')) as gender,
    textsend(string_agg(coalesce(accent, ''), E'\x1e')) as accent,
    textsend(string_agg(coalesce(audio_quality, ''), E'\x1e')) as audio_quality,
    textsend(string_agg(coalesce(language, ''), E'\x1e')) as language,
    string_agg(coalesce(textsend(transcription), ''), '\x00') as transcription,
    string_agg(coalesce(textsend(audio_description), ''), '\x00') as audio_description,
    string_agg(coalesce(textsend(video_description), ''), '\x00') as video_description
from {source}
