insert into catalog.annotator_profile (annotator_id, age_group, gender, first_language)
select
    annotator_id,
    %(age_group)s,
    %(gender)s,
    %(first_language)s
from catalog.annotator
where annotator_id = %(annotator_id)s
on conflict (annotator_id) do update
    set age_group = excluded.age_group,
        gender = excluded.gender,
        first_language = excluded.first_language
