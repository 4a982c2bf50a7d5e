insert into catalog.release_link (version, clip_id, sample_sha256)
select
    %(version)s,
    clip_id,
    sample_sha256
from frozen
where is_link
