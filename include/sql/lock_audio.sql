-- Two workers that made the same audio at once go one after the other. What is there must be read by a later statement.
select pg_advisory_xact_lock(hashtextextended(%(audio_sha256)s, 0))
