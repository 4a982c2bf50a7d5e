-- What was frozen, in figures. Sums are exact: those of floats hang on their order. content_sha256 is the same
-- exactly if every sample is the same.
update catalog.release
set (n_clips, duration_s, content_sha256) = (
    select
        count(*),
        coalesce(sum((sample ->> 'duration_s')::numeric), 0)::double precision,
        encode(
            sha256(convert_to(coalesce(string_agg(sample_sha256, ',' order by clip_id collate "C"), ''), 'UTF8')), 'hex'
        )
    from catalog.release_clip
    where release_clip.version = release.version
)
where version = %(version)s
returning n_clips, duration_s, content_sha256
