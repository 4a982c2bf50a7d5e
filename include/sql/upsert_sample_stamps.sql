-- What the samples that were made were made of.
insert into catalog.sample_stamp (
    clip_id, sample_sha256, label_xmin, clip_xmin, source_xmin, has_accent, has_age_group, has_gender, form
)
select
    clip_id,
    sample_sha256,
    label_xmin,
    clip_xmin,
    source_xmin,
    has_accent,
    has_age_group,
    has_gender,
    %(form)s
from frozen
where sample is not null
order by clip_id collate "C"
on conflict (clip_id) do update
set
    sample_sha256 = excluded.sample_sha256,
    label_xmin = excluded.label_xmin,
    clip_xmin = excluded.clip_xmin,
    source_xmin = excluded.source_xmin,
    has_accent = excluded.has_accent,
    has_age_group = excluded.has_age_group,
    has_gender = excluded.has_gender,
    form = excluded.form
