-- Those of some objects that no clip names.
select begun.audio_sha256
from unnest(%(audio_sha256s)s::text[]) as begun (audio_sha256)
where not exists (select 1 from catalog.clip where clip.audio_sha256 = begun.audio_sha256)
