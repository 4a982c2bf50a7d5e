-- How long each clip of {source} is, each column as one value.
select
    count(*) as n_rows,
    string_agg(textsend(clip_id), '\x00') as clip_id,
    string_agg(int4send(clip.end_ms - clip.start_ms), '') as duration_ms
from {source}
