-- Whom to believe: evidence on annotators, what people decided about them, known answers; and what labels gain.
alter table catalog.annotation add column flagged_fields text[] not null default '{}';
comment on column catalog.annotation.flagged_fields is
    'Text fields that hold what looks like an e-mail address or a phone number: never published.';
update catalog.annotation
set flagged_fields = array(
    select said.field
    from (
        values
        ('transcription', transcription), ('audio_description', audio_description),
        ('video_description', video_description), ('gender_text', gender_text), ('accent_text', accent_text),
        ('background_text', background_text), ('report_text', report_text)
    ) as said (field, value)
    where said.value ~ '\S@\S+\.\S' or said.value ~ '\d(?:[\s().\-/]{0,2}\d){6,}'
);
alter table catalog.vocabulary add column current_word text;
comment on column catalog.vocabulary.current_word is
    'What an earlier version''s word is called today; the family is today''s too.';

create index annotation_annotator on catalog.annotation (annotator_id, submitted_at desc, annotation_id desc);

alter table catalog.annotator
add column arousal_weight double precision check (arousal_weight >= 0),
add column valence_weight double precision check (valence_weight >= 0),
add column is_counted boolean not null default true;
comment on column catalog.annotator.weight is 'Of their say on emotions; on arousal and valence too until those are known.';
comment on column catalog.annotator.is_counted is
    'Whether the labels as they stand count their votes. Where it differs from the state, the next merge renews them.';

create table catalog.annotator_evidence (
    annotator_id text primary key references catalog.annotator,
    n_annotations integer not null,
    n_questions integer not null,
    informedness double precision,
    arousal_correlation double precision,
    arousal_n integer not null,
    valence_correlation double precision,
    valence_n integer not null,
    n_gold integer not null,
    n_gold_right integer not null,
    n_timed integer not null,
    fast_share double precision,
    same_share double precision,
    n_described integer not null,
    pasted_share double precision,
    signals text[] not null,
    state text not null check (state in ('new', 'trusted', 'watched', 'blocked')),
    weight double precision not null,
    renewed_at timestamptz not null default now()
);
comment on table catalog.annotator_evidence is
    'What speaks for and against an annotator, from their newest annotations, and the state and weight it comes to.';

create table catalog.annotator_overrule (
    annotator_id text primary key references catalog.annotator,
    state text check (state in ('new', 'trusted', 'watched', 'blocked')),
    weight double precision check (weight >= 0),
    reason text not null,
    decided_at timestamptz not null default now(),
    check (state is not null or weight is not null)
);
comment on table catalog.annotator_overrule is 'What a person decided, whatever the evidence says.';

create table catalog.gold_answer (
    clip_id text primary key,
    families text[] not null default '{}',
    arousal_min smallint,
    arousal_max smallint,
    valence_min smallint,
    valence_max smallint,
    note text
);
comment on table catalog.gold_answer is
    'Clips with known answers. Right is: a word of one of the families (if any), and numbers within the bounds (if any).';

create table catalog.annotator_profile (
    annotator_id text primary key references catalog.annotator,
    age_group text,
    gender text,
    first_language text
);
comment on table catalog.annotator_profile is
    'What annotators chose to tell of themselves. Only for bias tables by group; never for weights, never by person.';

alter table catalog.label
add column emotion_consensus text[] not null default '{}',
add column emotion_agreement double precision;
comment on column catalog.label.emotion_consensus is
    'The most voted of the hard families; no_agreement if raters chose and no two alike; empty if fewer than two chose.';

create table catalog.hold_decision (
    clip_id text primary key,
    is_held boolean not null,
    reason text not null,
    decided_at timestamptz not null default clock_timestamp()
);
comment on table catalog.hold_decision is
    'What a person decided on a clip that was held after reports. Reports that come later hold it again.';

create view catalog.bias_clip as
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

create view catalog.bias_composition as
select
    language,
    accent,
    gender,
    age_group,
    count(*) as n_clips,
    count(distinct speaker_group) as n_speaker_groups,
    sum(duration_s) / 3600 as duration_h
from catalog.bias_clip
group by language, accent, gender, age_group;
comment on view catalog.bias_composition is 'Who is in the data: clips and hours by language and by what was perceived.';
