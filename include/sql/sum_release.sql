-- What was frozen, in figures. Sums are exact: those of floats hang on their order. content_sha256 is the same
-- exactly if every sample and every link is the same.
update catalog.release
set (n_clips, duration_s, content_sha256) = (
    select
        count(*) filter (where not frozen.is_link),
        coalesce(sum(frozen.duration_s::numeric) filter (where not frozen.is_link), 0)::double precision,
        encode(
            sha256(
                convert_to(
                    coalesce(string_agg(frozen.sample_sha256, ',' order by frozen.is_link, frozen.clip_id collate "C"), ''),
                    'UTF8'
                )
            ),
            'hex'
        )
    from frozen
)
where version = %(version)s
returning n_clips, duration_s, content_sha256
