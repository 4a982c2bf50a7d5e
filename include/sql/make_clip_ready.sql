update catalog.clip
set
    state = 'ready',
    reason = null,
    retry_at = null,
    audio_sha256 = %(audio_sha256)s,
    audio_bytes = %(audio_bytes)s,
    sample_rate_hz = %(sample_rate_hz)s,
    duration_s = %(duration_s)s,
    audio_start_ms = %(audio_start_ms)s,
    audio_end_ms = %(audio_end_ms)s,
    measures = %(measures)s,
    ready_at = now()
where clip_id = %(clip_id)s and state in ('candidate', 'failed')
