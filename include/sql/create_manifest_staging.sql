-- Ids as `include/ids.py` makes them; as columns, so that the planner has their figures.
create temporary table manifest_row (
    video_id text not null,
    start_ms integer not null,
    end_ms integer not null,
    hint text not null,
    source_id text not null generated always as ('youtube:' || video_id) stored,
    clip_id text not null generated always as ('youtube-' || video_id || '-' || start_ms || '-' || end_ms) stored
) on commit drop
