-- Clips as the checks read them.
create view checking.clip as
select
    clip_id,
    clip_id like concat('%%-', start_ms, '-', end_ms) as is_named_by_times,
    coalesce(audio_start_ms >= start_ms - 200 and audio_end_ms <= end_ms + 200, true) as is_cut_in_place,
    state <> 'ready'
    or abs(duration_s - coalesce(audio_end_ms - audio_start_ms, end_ms - start_ms) / 1000::double precision) < 0.25
        as is_as_long_as_cut
from catalog.clip
