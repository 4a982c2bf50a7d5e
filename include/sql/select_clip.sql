select
    clip.*,
    source.url,
    source.title,
    source.channel,
    source.speaker_group,
    source.licence,
    draft.transcription as draft_transcription,
    to_jsonb(label) - 'clip_id' as label
from catalog.clip
inner join catalog.source using (source_id)
left join catalog.label using (clip_id)
left join catalog.clip_draft as draft using (clip_id)
where clip.clip_id = %(clip_id)s
