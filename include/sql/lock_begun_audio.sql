-- What was begun of a held source, but for audio that another worker makes just now of another source.
-- Whether a clip names it must be read by a later statement.
select audio_sha256
from catalog.begun_audio
where source_id = %(source_id)s and pg_try_advisory_xact_lock(hashtextextended(audio_sha256, 0))
order by audio_sha256
