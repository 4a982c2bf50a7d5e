-- Every row that was ever sent, by what became of it.
select
    (
        select count(*)
        from catalog.current_annotation
        inner join catalog.clip using (clip_id)
        where not current_annotation.is_retracted
    ) as counted,
    (select count(*) from catalog.annotation) - (select count(*) from catalog.current_annotation) as superseded,
    (select count(*) from catalog.current_annotation where is_retracted) as retractions,
    (
        select count(*)
        from catalog.current_annotation
        left join catalog.clip using (clip_id)
        where clip.clip_id is null and not current_annotation.is_retracted
    ) as waiting,
    (select count(*) from catalog.annotation_reject) as rejected,
    (select count(*) from catalog.annotator) as annotators
