-- Of a sample, what tables and card of each release say is taken out of its JSON once, not each night.
create table catalog.sample_row (
    clip_id text not null,
    sample_sha256 text not null,
    form bigint not null,
    source_id text,
    speaker_group text,
    licence text,
    language text,
    duration_s numeric,
    snr_db numeric,
    n_raters integer,
    has_agreement boolean,
    arousal_n integer,
    arousal_mean numeric,
    arousal_std numeric,
    valence_n integer,
    valence_mean numeric,
    valence_std numeric,
    perceived_gender text,
    perceived_gender_share numeric,
    perceived_age_group text,
    perceived_age_group_share numeric,
    perceived_accent text,
    emotion_plurality text [],
    emotion_hard text [],
    emotion_soft jsonb,
    is_transcribed boolean not null,
    line text not null,
    primary key (clip_id, sample_sha256)
-- A row is some hundred bytes, seldom more than two thousand: compressed, it would take longer to read.
) with (toast_tuple_target = 8160);
comment on table catalog.sample_row is
    'Fields of samples, taken out of their JSON once: what can be taken again, and goes with its sample.';
comment on column catalog.sample_row.form is 'Hash of the statement that took them: of another one, they are taken anew.';
comment on column catalog.sample_row.line is 'The columns of clips.parquet that a sample gives, as Postgres writes a row.';

create function catalog.delete_sample_row() returns trigger
language plpgsql
as $$
begin
    delete from catalog.sample_row where clip_id = old.clip_id and sample_sha256 = old.sample_sha256;
    return null;
end
$$;
create trigger delete_sample_row after update or delete on catalog.sample
for each row execute function catalog.delete_sample_row();
