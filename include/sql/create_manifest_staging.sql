create temporary table manifest_row (
    video_id text not null,
    start_ms integer not null,
    end_ms integer not null,
    hint text not null
) on commit drop
