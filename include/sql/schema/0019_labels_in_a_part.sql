-- All labels lie in one part of their table, so that a relabel makes them anew beside those in use, on several
-- connections, and puts them in their place at once.
alter table catalog.label rename to label_part;
create table catalog.label (
    like catalog.label_part including defaults including comments, primary key (clip_id)
) partition by range (clip_id);
comment on table catalog.label is
    'What all votes on a clip come to. Its one part, label_part, is another table after each relabel.';
alter table catalog.label attach partition catalog.label_part for values from (minvalue) to (maxvalue);

-- A view goes with the table that it was made of.
create or replace view catalog.bias_clip as
select
    label.clip_id,
    source.speaker_group,
    (clip.end_ms - clip.start_ms) / 1000.0 as duration_s,
    coalesce(label.language, source.language, 'unknown') as language,
    coalesce(label.perceived_accent, 'unknown') as accent,
    coalesce(label.perceived_gender, 'unknown') as gender,
    coalesce(label.perceived_age_group, 'unknown') as age_group,
    label.arousal_mean,
    label.valence_mean,
    label.emotion_plurality
from catalog.label
inner join catalog.clip using (clip_id)
inner join catalog.source using (source_id)
where clip.state = 'ready' and label.n_raters > 0 and not label.is_held;

-- So do triggers.
drop trigger coverage_inserted on catalog.label_part;
drop trigger coverage_deleted on catalog.label_part;
drop trigger coverage_updated on catalog.label_part;
drop trigger coverage_emptied on catalog.label_part;
create trigger coverage_inserted after insert on catalog.label
referencing new table as changed for each statement execute function catalog.note_labels();
create trigger coverage_deleted after delete on catalog.label
referencing old table as changed for each statement execute function catalog.note_labels();
create trigger coverage_updated after update on catalog.label
for each row when (
    (old.n_raters, old.emotion_plurality, old.language, old.perceived_gender, old.perceived_age_group)
    is distinct from
    (new.n_raters, new.emotion_plurality, new.language, new.perceived_gender, new.perceived_age_group)
) execute function catalog.note_label();
create trigger coverage_emptied after truncate on catalog.label
for each statement execute function catalog.note_everything();
