-- Other sources whose fingerprints share landmarks with this one's, those that share the most first. Of those that
-- give no clip, and have none that was taken down, nothing can be a copy.
with
judged as (
    select
        source.source_id,
        source.first_seen_at,
        exists (
            select 1
            from catalog.clip
            inner join catalog.annotation using (clip_id)
            where clip.source_id = source.source_id
        ) as is_worked_on
    from catalog.source
    where
        source.source_id = %(source_id)s
        or source.source_id in (
            select alike.source_id
            from catalog.source_fingerprint as alike
            where alike.landmarks && %(landmarks)s::integer[]
            order by
                (select count(*) from unnest(alike.landmarks) as mark where mark = any(%(landmarks)s::integer[])) desc,
                alike.taken_at asc,
                alike.source_id asc
            limit 20
        )
)

select
    other.source_id,
    fingerprint.fingerprint,
    (not other.is_worked_on, other.first_seen_at, other.source_id)
    < (not this.is_worked_on, this.first_seen_at, this.source_id) as has_right
from judged as other
inner join judged as this on this.source_id = %(source_id)s
inner join catalog.source_fingerprint as fingerprint on other.source_id = fingerprint.source_id
inner join catalog.source on other.source_id = source.source_id
where
    other.source_id <> %(source_id)s
    and (
        source.is_to_cut
        or exists (
            select 1
            from catalog.clip
            where clip.source_id = other.source_id and clip.state in ('candidate', 'ready', 'failed', 'blocked')
        )
    )
order by other.first_seen_at, other.source_id
