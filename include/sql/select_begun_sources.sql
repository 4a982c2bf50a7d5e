-- Sources of which somebody stores audio, or died while doing so.
select distinct source_id
from catalog.begun_audio
order by source_id
