-- Annotations as the checks read them.
create view checking.annotation as
select
    annotation_id,
    arousal,
    valence,
    submitted_at > now() + interval '1 day' as is_from_the_future,
    extract(day from now() - merged_at)::integer as days_since_merge
from catalog.annotation
