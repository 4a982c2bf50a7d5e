-- A source is known by its id; where it is now and what its page says may have changed. Gives what it was before.
with
before as (
    select
        speaker_group,
        is_unread,
        refusal
    from catalog.source
    where source_id = %(source_id)s
)

insert into catalog.source
(source_id, url, title, channel, speaker_group, duration_s, licence, language, info, aim)
values
(
    %(source_id)s, %(url)s, %(title)s, %(channel)s, %(speaker_group)s, %(duration_s)s, %(licence)s,
    %(language)s, %(info)s, %(aim)s
)
on conflict (source_id) do update
    set url = excluded.url,
        title = excluded.title,
        channel = coalesce(excluded.channel, source.channel),
        speaker_group = case
            when excluded.channel is null and source.channel is not null then source.speaker_group
            else excluded.speaker_group
        end,
        duration_s = coalesce(excluded.duration_s, source.duration_s),
        licence = excluded.licence,
        language = coalesce(excluded.language, source.language),
        info = excluded.info,
        aim = case when source.aim = '{}' then excluded.aim else source.aim end,
        refusal = case when source.is_unread then null else source.refusal end,
        is_unread = false
returning
    xmax = 0 as is_new,
    speaker_group,
    (select speaker_group from before) as speaker_group_before,
    (select is_unread from before) as was_unread,
    (select refusal from before) as refusal_before
