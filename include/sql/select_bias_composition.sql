select * from catalog.bias_composition
order by duration_h desc, language, accent, gender, age_group
