-- Clips by language: the first part of the BCP 47 tag, in small letters. null: not known;
-- an empty text: something stands there, and it is no tag.
select
    language,
    sum(n_clips)::bigint as n_clips,
    sum(duration_s)::double precision as duration_s,
    count(distinct speaker_group) as n_speaker_groups
from (
    select
        case
            when tag is null or primary_part in ('und', 'zxx', 'mul', 'mis') then null
            else coalesce(primary_part, '')
        end as language,
        n_clips,
        duration_s,
        speaker_group
    from (
        select
            language as tag,
            lower(substring(language from '^([A-Za-z]{2,3})(?:[-_][A-Za-z0-9_-]*)?$')) as primary_part,
            count(*) as n_clips,
            sum(duration_s) as duration_s,
            speaker_group
        from card_clip
        group by language, speaker_group
    ) as tagged
) as named
group by language
order by n_clips desc, language collate "C" asc nulls last
