"""Annotations as columns: what is read, by whom, and that nothing is taken for something else."""

import pytest

from include import catalog, column_blocks, columns, settings
from tests.conftest import annotation, merge, sql

CLIP = "youtube-abcdefghijk-0-10000"
# What parts texts on their way here, and what people may write all the same.
ODD = ["\x1e", "a\x1eb", "a\x1f\x1eb\x1e", "\x01 \x7f", "é\x1e", "plain"]


def read() -> columns.Annotations:
    with catalog.connect() as connection:
        return column_blocks.read_all(connection, columns.join)


def texts(coded: columns.Coded) -> list[str | None]:
    found = coded.texts.to_pylist()
    return [found[code] if code >= 0 else None for code in coded.codes]


def test_people_may_write_what_parts_texts(pipeline: settings.Settings) -> None:
    rows = [
        annotation(f"youtube-abcdefghijk-{n}-9000", f"rater {text}", transcription=text, audio_description=text)
        for n, text in enumerate(ODD)
    ]
    assert merge(rows)["accepted"] == len(rows)
    kept = sql('select transcription, annotator_id from catalog.annotation order by clip_id collate "C"')
    said = read()
    found = said[said.clip.argsort()]
    assert texts(found.said["transcription"]) == [row["transcription"] for row in kept]
    assert texts(found.said["audio_description"]) == [row["transcription"] for row in kept]
    assert [said.annotator_ids[code].as_py() for code in found.annotator] == [row["annotator_id"] for row in kept]
    assert texts(found.said["video_description"]) == [None] * len(rows)


@pytest.mark.parametrize("words", [[], ["happy"], ["sad", "happy"], ["sad", "happy", "calm", "cheerful"]])
def test_lists_of_any_length_are_read_in_their_order(pipeline: settings.Settings, words: list[str]) -> None:
    sounds = ["music", "animals", "other"][: len(words)]
    merge([annotation(CLIP, "a", emotions=words, background_sounds=sounds)])
    said = read()
    for name, items in (("emotions", words), ("background_sounds", sounds)):
        column = said.said[name]
        assert [column.lists[code] if code >= 0 else [] for code in column.codes] == [items]
