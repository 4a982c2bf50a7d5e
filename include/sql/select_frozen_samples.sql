-- What a shard of a release must hold, in its order; and of which clips the last release had the same audio, said to be of
-- the same length and rate: it was decoded then.
select
    now_in.clip_id,
    now_in.sample,
    was_in.clip_id is not null as is_decoded
from catalog.released_clip as now_in
left join catalog.release on now_in.version = release.version
left join catalog.release as earlier on release.parent = earlier.version and earlier.state = 'published'
left join catalog.released_clip as was_in
    on
        earlier.version = was_in.version
        and now_in.clip_id = was_in.clip_id
        and now_in.audio_sha256 = was_in.audio_sha256
        and now_in.sample -> 'duration_s' = was_in.sample -> 'duration_s'
        and now_in.sample -> 'sample_rate_hz' = was_in.sample -> 'sample_rate_hz'
where now_in.version = %(version)s and now_in.split = %(split)s and now_in.shard = %(shard)s
order by now_in.position
