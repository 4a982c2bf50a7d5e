-- Sources as the checks read them. One has an outcome if a clip came of it, a reason why none did, or a next step.
create unlogged table checking.source as
select
    source.source_id,
    source.url,
    source.licence <> '' as has_licence,
    extract(day from now() - source.first_seen_at)::integer as days_known,
    source.refusal is not null
    or source.is_to_cut
    or source.is_unread
    or source.is_cut
    or source.retry_at is not null
    or exists (select 1 from catalog.clip where clip.source_id = source.source_id) as has_outcome
from catalog.source
