-- Audio that several clips of the release have.
create unlogged table checking.repeated_audio as
select audio_sha256
from checking.release
group by audio_sha256
having count(*) > 1
