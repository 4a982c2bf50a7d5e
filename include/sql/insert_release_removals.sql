-- Clips that an earlier published release had and this one has not. A release notes what was gone before it, so only
-- those count that no later one follows: the parent, and one that was published under an older version after it.
insert into catalog.release_removal (version, clip_id, last_version)
with
earlier as materialized (
    select
        version,
        parent
    from catalog.release
    where
        state = 'published'
        and string_to_array(version, '.')::integer[] < string_to_array(%(version)s, '.')::integer[]
),

-- Named as an array, by a cast: else `any` takes what is in brackets for a query of versions.
newest as materialized (
    select array(select version from earlier where version not in (select parent from earlier where parent is not null))
        as versions
),

had as (
    select
        clip_id,
        version as last_version
    from catalog.release_clip
    where version = any((select versions from newest)::text[])
    union all
    select
        clip_id,
        last_version
    from catalog.release_removal
    where version = any((select versions from newest)::text[])
)

select
    %(version)s,
    had.clip_id,
    (array_agg(had.last_version order by string_to_array(had.last_version, '.')::integer[] desc))[1]
from had
where
    not exists (
        select 1
        from catalog.release_clip as kept
        where kept.version = %(version)s and kept.clip_id = had.clip_id
    )
group by had.clip_id
