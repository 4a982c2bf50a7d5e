-- The votes of annotators who were blocked, or let in again, since judged_vote was made.
update judged_vote
set is_blocked = (annotator.state = 'blocked')
from catalog.annotator
where
    judged_vote.annotator_id = annotator.annotator_id
    and judged_vote.is_blocked <> (annotator.state = 'blocked')
