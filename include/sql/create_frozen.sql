-- What a freeze takes, before it is known where each clip will lie, or whether there is a release to make of it.
create temporary table frozen (
    clip_id text not null,
    split text not null,
    is_link boolean not null,
    audio_sha256 text not null,
    audio_bytes integer,
    sample jsonb not null,
    sample_sha256 text not null
) on commit drop
