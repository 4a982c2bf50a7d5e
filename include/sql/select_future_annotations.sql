-- Annotations from the future: some form's clock is wrong.
select annotation_id
from {batch}
where submitted_at > now() + interval '1 day'
limit 1000
