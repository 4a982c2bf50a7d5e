-- Labels that don't rest on as many annotators as their clip's votes that count.
select label.clip_id
from {batch} as label
left join (
    select
        said.clip_id,
        count(*) as n_raters
    from catalog.current_annotation as said
    inner join catalog.annotator on said.annotator_id = annotator.annotator_id
    where not said.is_retracted and annotator.state <> 'blocked'
    group by said.clip_id
) as counted
    on label.clip_id = counted.clip_id
where label.n_raters <> coalesce(counted.n_raters, 0)
limit 1000
