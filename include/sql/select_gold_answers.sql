-- Clips with known answers, and how many annotators have been asked by each.
select
    gold_answer.*,
    exists (select 1 from catalog.clip where clip.clip_id = gold_answer.clip_id) as is_known,
    (
        select count(distinct annotation.annotator_id)
        from catalog.annotation
        where annotation.clip_id = gold_answer.clip_id
    ) as n_annotators
from catalog.gold_answer
order by gold_answer.clip_id collate "C"
