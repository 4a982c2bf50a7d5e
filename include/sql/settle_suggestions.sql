-- What became of the suggestions that were harvested: the ledger's word on the stretch, else on the recording.
update catalog.suggestion
set
    outcome = word.outcome,
    reason = word.reason
from (
    select
        suggestion.suggestion_id,
        case
            when stretch.outcome in ('refused', 'unsupported') then 'refused'
            when recording.outcome = 'ok' then 'accepted'
            when recording.outcome in ('gone', 'refused', 'unsupported', 'broken') then 'refused'
            else 'waiting'
        end as outcome,
        case
            when stretch.outcome in ('refused', 'unsupported') then stretch.message
            when recording.outcome <> 'ok' then recording.message
        end as reason
    from catalog.suggestion
    left join catalog.address as stretch on stretch.url = suggestion.address
    left join catalog.address as recording on recording.url = suggestion.address_url
    where suggestion.outcome = 'waiting' and suggestion.address is not null
) as word
where suggestion.suggestion_id = word.suggestion_id and word.outcome is distinct from 'waiting'
