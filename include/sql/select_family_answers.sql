-- Each family that a rater of a clip chose, as a question to all its raters who chose any: yes or no.
with
chosen as (
    select distinct
        said.clip_id,
        said.annotator_id,
        vocabulary.family
    from (
        select
            clip_id,
            annotator_id,
            vocabulary_version,
            unnest(emotions) as word
        from judged_vote
    ) as said
    inner join catalog.vocabulary
        on said.vocabulary_version = vocabulary.version and said.word = vocabulary.word
),

rater as (select distinct clip_id, annotator_id from chosen),

shared as (
    select clip_id
    from rater
    group by clip_id
    having count(*) >= 2
)

select
    question.clip_id || ' ' || question.family as question,
    rater.annotator_id,
    chosen.family is not null as is_yes
from (select distinct clip_id, family from chosen) as question
inner join shared using (clip_id)
inner join rater using (clip_id)
left join chosen
    on
        question.clip_id = chosen.clip_id
        and question.family = chosen.family
        and rater.annotator_id = chosen.annotator_id
order by question.clip_id collate "C", question.family collate "C", rater.annotator_id collate "C"
