"""Each form of annotation file, and what files from the world do to a reader."""

import csv
import gzip
import io
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include import annotations, contract, open_empathic, readers, settings, store
from tests.conftest import annotation, jsonl, merge, sql

CLIP = "youtube-abcdefghijk-0-10000"
ROW = {"clip_id": CLIP, "annotator_id": "ada", "submitted_at": "2026-01-01T10:00:00+01:00"}


def read(content: bytes, name: str, **options: Any) -> list[contract.Accepted | contract.Rejected]:
    return list(readers.read(io.BytesIO(content), name, **options))


def said(content: bytes, name: str, **options: Any) -> list[dict[str, Any]]:
    """What the rows of a file say; each must be accepted."""
    found = read(content, name, **options)
    assert [row.reason for row in found if isinstance(row, contract.Rejected)] == []
    return [row.annotation.model_dump(exclude_defaults=True) for row in found if isinstance(row, contract.Accepted)]


def reasons(content: bytes, name: str, **options: Any) -> list[str]:
    return [row.reason for row in read(content, name, **options) if isinstance(row, contract.Rejected)]


def csv_file(rows: list[dict[str, Any]], delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)), delimiter=delimiter)
    writer.writeheader()
    writer.writerows({name: json.dumps(v) if isinstance(v, list) else v for name, v in row.items()} for row in rows)
    return out.getvalue().encode()


def parquet_file(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def tasks_of(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(
        [
            {
                "id": 1,
                "data": {"clip_id": row["clip_id"]},
                "annotations": [{"id": 1, "completed_by": 1, "created_at": row["submitted_at"], "result": []}],
            }
            for row in rows
        ],
        indent=1,
    ).encode()


FULL = {
    **ROW, "arousal": 7, "valence": -3, "time_spent_s": 12.5, "emotions": ["happy", "calm"], "gender": "female",
    "transcription": 'None said "so",\r\nand left', "background_sounds": ["music"], "reports": ["other"],
}  # fmt: skip


@pytest.mark.parametrize("is_zipped", [False, True])
def test_the_same_rows_in_every_form_are_the_same_annotations(is_zipped: bool) -> None:
    timed = {**FULL, "submitted_at": datetime.fromisoformat(FULL["submitted_at"])}
    files = {
        "a.jsonl": jsonl([FULL, ROW]), "a.ndjson": jsonl([FULL, ROW]), "a.csv": csv_file([FULL, ROW]),
        "b.csv": csv_file([FULL, ROW], ";"), "a.tsv": csv_file([FULL, ROW], "\t"),
        "c.csv": b"\xef\xbb\xbf" + csv_file([FULL, ROW]),
        "a.parquet": parquet_file([FULL, ROW]), "b.parquet": parquet_file([timed]) ,
    }  # fmt: skip
    expected = said(jsonl([FULL, ROW]), "x.jsonl")
    for name, content in files.items():
        found = said(gzip.compress(content) if is_zipped else content, name + ".gz" * is_zipped)
        assert found == expected[: len(found)], name


def test_a_text_that_says_none_is_no_missing_value() -> None:
    for name, content in (
        ("a.csv", csv_file([{**ROW, "transcription": "None"}])),
        ("a.parquet", parquet_file([{**ROW, "transcription": "None"}])),
        ("a.csv", csv_file([{**ROW, "transcription": "NaN"}])),
    ):
        assert said(content, name)[0]["transcription"] in ("None", "NaN")


def test_a_break_within_quotes_is_one_row_with_the_line_it_began_on() -> None:
    content = csv_file([{**ROW, "transcription": "one\n\ntwo"}, {**ROW, "arousal": 3, "transcription": "x"}])
    found = read(content, "a.csv")
    assert [row.line for row in found] == [2, 5]


def test_a_quote_that_never_closes_costs_its_row_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MAX_LINE_BYTES", 500)
    bad = b'"' + CLIP.encode() + b",x,2026-01-01T00:00:00Z\n"
    content = csv_file([ROW]) + bad + csv_file([ROW] * 40).split(b"\n", 1)[1]
    found = read(content, "a.csv")
    assert [row.line for row in found if isinstance(row, contract.Rejected)] == [3]
    assert sum(isinstance(row, contract.Accepted) for row in found) == 41
    assert "quote that is not closed" in reasons(content, "a.csv")[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (csv_file([{**ROW, "transcription": "olé"}]).decode().encode("latin-1"), "not UTF-8"),
        (csv_file([{**ROW, "transcription": "a\x00b"}]), "NUL"),
        (csv_file([{**ROW, "mood": "good"}]), "unknown columns: 'mood'"),
        (csv_file([ROW]).replace(b"clip_id", b"annotator_id", 1), "twice"),
        (csv_file([ROW]) + b"one,two\n", "2 fields where there are 3 columns"),
        (csv_file([{**ROW, "emotions": "happy"}]), "emotions: no list written as JSON"),
        (csv_file([{**ROW, "arousal": "11"}]), "arousal"),
        (csv_file([ROW])[:-20] + b'"2026', "midst of this row"),
        (gzip.compress(jsonl([ROW] * 3000))[:-40], "midst of this row"),
        (b"\x1f\x8bnonsense", "bad gzip"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    assert reason in "; ".join(reasons(content, "a.csv" if content[:2] != b"\x1f\x8b" else "a.jsonl"))


def test_half_a_parquet_file_is_refused() -> None:
    assert "midst" in reasons(parquet_file([ROW])[:-30], "a.parquet")[0]


def test_a_name_without_a_form_is_refused() -> None:
    with pytest.raises(ValueError, match="say it: jsonl, csv"):
        read(jsonl([ROW]), "a.txt")
    assert said(jsonl([ROW]), "a.txt", form="jsonl")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak_bytes(n_rows: int, suffix: str) -> int:
        rows = [{**ROW, "submitted_at": f"2026-01-01T10:00:00.{n:06}Z"} for n in range(n_rows)]
        path = tmp_path / f"{n_rows}{suffix}"
        path.write_bytes({".jsonl": jsonl, ".csv": csv_file, ".json": tasks_of}[suffix](rows))
        with path.open("rb") as stream:
            tracemalloc.start()
            assert sum(isinstance(row, contract.Accepted) for row in readers.read(stream, path.name)) == n_rows
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return peak

    for suffix in (".jsonl", ".csv", ".json"):
        peak_bytes(10, suffix)  # what is made once, at first use
        assert peak_bytes(8000, suffix) < 1.5 * peak_bytes(2000, suffix) + 200_000


class Endless(io.RawIOBase):
    """A file that begins, goes on for very long without a line break, and ends; made as it is read."""

    def __init__(self, begin: bytes, n_bytes: int, end: bytes) -> None:
        self.parts = [io.BytesIO(begin), io.BytesIO(end)]
        self.n_left = n_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        got = self.parts[0].readinto(target)
        if got or not self.parts[1:]:
            return got
        n = min(len(target), self.n_left)
        target[:n] = b"x" * n
        self.n_left -= n
        if not self.n_left:
            self.parts.pop(0)
        return n


@pytest.mark.parametrize(
    ("name", "begin", "end", "n_accepted", "reason"),
    [
        ("a.jsonl", jsonl([ROW]) + b'{"transcription": "', b'"}\n' + jsonl([ROW]), 2, "a line of over 1000000 bytes"),
        ("a.csv", csv_file([ROW]), b"\n" + csv_file([ROW]).split(b"\n", 1)[1], 2, "a line of over 1000000 bytes"),
        ("a.csv", csv_file([ROW]) + b'"', b'"\n' + csv_file([ROW]).split(b"\n", 1)[1], 2, "a line of over"),
        ("a.json", tasks_of([ROW])[:-1].rstrip() + b',{"id": "', b'"}]', 1, "no task within 4000000 characters"),
    ],
    ids=["jsonl", "csv", "csv-open-quote", "label-studio"],
)
def test_a_line_of_100_megabytes_costs_itself_and_no_memory(
    name: str, begin: bytes, end: bytes, n_accepted: int, reason: str
) -> None:
    list(readers.read(io.BytesIO(jsonl([ROW])), "a.jsonl"))  # what is made once, at first use
    tracemalloc.start()
    found = list(readers.read(Endless(begin, 100_000_000, end), name))  # type: ignore[arg-type]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 40_000_000
    assert sum(isinstance(row, contract.Accepted) for row in found) == n_accepted
    (refused,) = [row for row in found if isinstance(row, contract.Rejected)]
    assert reason in refused.reason
    assert len(refused.raw) <= 1000


def test_a_line_of_100_megabytes_in_a_small_zip_is_no_bomb() -> None:
    content = gzip.compress(jsonl([ROW]) + b"x" * 100_000_000 + b"\n" + jsonl([ROW]), compresslevel=1)
    assert len(content) < 1_000_000
    tracemalloc.start()
    found = read(content, "a.jsonl.gz")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 20_000_000
    assert [isinstance(row, contract.Accepted) for row in found] == [True, False, True]


# Label Studio


TASK = {
    "id": 7,
    "data": {"url": "https://youtu.be/abcdefghijk", "start_s": 0, "end_s": 10},
    "annotations": [
        {
            "id": 41, "completed_by": {"id": 3, "email": "ada@example.org"}, "lead_time": 21.5,
            "created_at": "2026-01-01T09:00:00Z", "updated_at": "2026-01-01T09:05:00Z",
            "result": [
                {"from_name": "emotions", "type": "taxonomy",
                 "value": {"taxonomy": [["happy_and_energetic", "happy"], ["calm_and_composed", "calm"]]}},
                {"from_name": "gender", "type": "choices", "value": {"choices": ["female"]}},
                {"from_name": "background_sounds", "type": "choices", "value": {"choices": ["music", "animals"]}},
                {"from_name": "arousal", "type": "rating", "value": {"rating": 6}},
                {"from_name": "valence", "type": "number", "value": {"number": -2}},
                {"from_name": "transcription", "type": "textarea", "value": {"text": ["Good", "morning"]}},
            ],
        },
        {"id": 42, "completed_by": 4, "was_cancelled": True, "created_at": "2026-01-01T09:00:00Z", "result": []},
        {"id": 43, "completed_by": 5, "created_at": "2026-01-01T09:00:00Z",
         "result": [{"from_name": "mood", "type": "choices", "value": {"choices": ["good"]}}]},
    ],
}  # fmt: skip


def test_label_studio_tasks_are_read() -> None:
    found = read(json.dumps([TASK]).encode(), "export.json")
    assert isinstance(found[0], contract.Accepted)
    row = found[0].annotation
    assert (row.clip_id, row.annotator_id, row.time_spent_s) == (CLIP, "label-studio:3", 21.5)
    assert (row.emotions, row.gender, row.background_sounds) == (["happy", "calm"], "female", ["music", "animals"])
    assert (row.arousal, row.valence, row.transcription) == (6, -2, "Good morning")
    assert (row.submitted_at, row.source_ref) == (datetime(2026, 1, 1, 9, 5, tzinfo=UTC), "label-studio:7:41")
    refused = [row.reason for row in found[1:] if isinstance(row, contract.Rejected)]
    assert refused == ["skipped by its annotator", "'mood' is no field of an annotation"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"id": 1}', "no JSON list"),
        (json.dumps([TASK, TASK]).encode()[:-100], "midst of this row"),
        (b'[{"id": 1}]', "no annotations"),
        (b'[{"id": 1, "annotations": ["x"]}]', "JSON objects"),
        (b'[{"id": 1, "data": {}, "annotations": [{"result": [7]}]}]', "completed_by"),
        (b'[{"id": 1, "data": {}, "annotations": [{"completed_by": 1, "result": [7]}]}]', "no attribute"),
    ],
)
def test_what_is_no_label_studio_export_is_refused(content: bytes, reason: str) -> None:
    assert reason in reasons(content, "a.json")[-1]


# The original site's export


def export_row(**fields: Any) -> dict[str, Any]:
    return {
        "id": 12, "language": "en", "utterance": "None of this\nis true", "audio_description": "A man",
        "video_description": "", "bg_sounds": "['music', 'other']", "accent": "us_english",
        "emotion": json.dumps({"happy_and_energetic": ["happy"], "sarcasm": ["critical_or_disdainful:"]}),
        "author_id": 5, "date_created": "2023-12-08 10:11:12.5+00", "status": "Complete", "gender": "Male",
        "audio_quality": "Good", "age": "20-39", "arousal": 3, "valence": 2, "time_spent": 33,
        "locked_by_id": "", "is_locked": "f",
        "audio_recording": "https://www.youtube.com/embed/abcdefghijk?start=0&end=10", **fields,
    }  # fmt: skip


def export_csv(*rows: dict[str, Any]) -> bytes:
    return csv_file(list(rows)).split(b"\r\n", 1)[1]


def exported(**fields: Any) -> dict[str, Any]:
    (row,) = said(export_csv(export_row(**fields)), "export.csv", valence_scale="form")
    return row


def test_the_original_export_is_recognised_in_each_of_its_forms() -> None:
    row = export_row()
    # As pandas writes what it read from the site's database.
    typed = {
        **row, "emotion": json.loads(row["emotion"]) | {"afraid": None}, "bg_sounds": ["music", "other"],
        "date_created": datetime(2023, 12, 8, 10, 11, 12, 500000, UTC), "is_locked": False, "arousal": 3.0,
        "author_id": 5.0, "locked_by_id": None,
    }  # fmt: skip
    for name, content in (
        ("a.csv", export_csv(row)),
        ("a.csv", csv_file([row])),
        ("a.csv.gz", gzip.compress(export_csv(row))),
        ("a.csv", b"\xef\xbb\xbf" + export_csv(row)),
        ("a.csv", b"\xef\xbb\xbf" + csv_file([row])),
        ("a.parquet", parquet_file([typed])),
        ("a.parquet", parquet_file([row])),
    ):
        (found,) = said(content, name, valence_scale="form")
        assert found == exported()
    assert found == {
        "clip_id": CLIP, "url": "https://www.youtube.com/watch?v=abcdefghijk", "start_s": 0.0, "end_s": 10.0,
        "annotator_id": "open-empathic:5", "submitted_at": datetime(2023, 12, 8, 10, 11, 12, 500000, UTC),
        "time_spent_s": 33.0, "transcription": "None of this\nis true", "language": "en",
        "audio_description": "A man", "arousal": 3, "valence": 2, "age_group": "20-39", "gender": "male",
        "accent": "us_english", "audio_quality": "good", "background_sounds": ["music", "other"],
        "emotions": ["happy", "critical_or_disdainful"], "source_ref": "open-empathic:12",
    }  # fmt: skip


def test_the_scale_of_valence_is_said_and_never_guessed() -> None:
    content = export_csv(export_row(valence=2))
    assert "Say which" in reasons(content, "a.csv")[0]
    assert said(content, "a.csv", valence_scale="model")[0]["valence"] == -3
    assert said(content, "a.csv", valence_scale="form")[0]["valence"] == 2
    assert "valence" in reasons(export_csv(export_row(valence=9)), "a.csv", valence_scale="form")[0]
    assert "valence" in reasons(export_csv(export_row(valence=-2)), "a.csv", valence_scale="model")[0]
    assert said(export_csv(export_row(valence="")), "a.csv")


ALL_SOUNDS = str(list(open_empathic.SOUNDS))


@pytest.mark.parametrize(
    ("text", "sounds"),
    [
        ("[]", []), ("", []), ("['music']", ["music"]), ("music", ["music"]), ('["Music"]', ["music"]),
        ("['none']", ["none"]), (ALL_SOUNDS[:70], [*open_empathic.SOUNDS[:5], "none"]),
        ("['city_traffic', 'people_talking', 'animals', 'music', 'other', 'none'",
             ["city_traffic", "people_talking", "animals", "music", "other", "none"]),
    ],
)  # fmt: skip
def test_sounds_are_the_text_of_a_list_perhaps_cut_off(text: str, sounds: list[str]) -> None:
    assert exported(bg_sounds=text).get("background_sounds", []) == sounds


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"age": "25"}, {"age_group": "20-39"}),
        ({"age": "3.5"}, {"age_group": "0-3"}),
        ({"age": "100"}, {"age_group": "80-100"}),
        ({"gender": "Other"}, {"gender": "other"}),
        ({"gender": "non-binary"}, {"gender": "other", "gender_text": "non-binary"}),
        ({"accent": "Other"}, {"accent": "other"}),
        ({"accent": "US English"}, {"accent": "us_english"}),
        ({"accent": "Welsh"}, {"accent": "other", "accent_text": "Welsh"}),
        ({"utterance": "None"}, {"transcription": "None"}),
    ],
)
def test_what_the_site_writes_its_own_way_is_understood(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    found = exported(**fields)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "Pending"}, "nobody has annotated"),
        ({"age": "old"}, "age: 'old' is neither"),
        ({"age": "130"}, "age"),
        ({"emotion": "{happy"}, "emotion: no JSON"),
        ({"emotion": '{"x": ["hangry"]}'}, "'hangry' is no word"),
        ({"audio_recording": "https://www.youtube.com/embed/abcdefghijk"}, "no start and end"),
        ({"audio_recording": "https://www.youtube.com/embed/abcdefghijk?start=0&end=40"}, "over 30 s"),
        ({"audio_recording": "media/a.wav://"}, "audio_recording"),
        ({"date_created": "2023-12-08 10:11:12"}, "submitted_at"),
        ({"author_id": ""}, "author_id"),
        ({"bg_sounds": "['mus"}, "bg_sounds: no list"),
    ],
)
def test_what_would_be_a_guess_is_refused(fields: dict[str, Any], reason: str) -> None:
    found = reasons(export_csv(export_row(**fields)), "a.csv", valence_scale="form", form="open-empathic")
    assert any(reason in text or "address" in text for text in found)


def test_several_opinions_of_one_clip_make_one_candidate(pipeline: settings.Settings) -> None:
    content = export_csv(export_row(), export_row(id=13, author_id=6), export_row(id=14, author_id=7))
    found = annotations.merge_stream(io.BytesIO(content), "export.csv", valence_scale="form")
    assert (found["accepted"], found["candidates"], found["labels"]) == (3, 1, 1)
    assert "waiting" not in found
    assert sql("select state, source_id from catalog.clip") == [
        {"state": "candidate", "source_id": "youtube:abcdefghijk"}
    ]
    assert sql("select n_raters from catalog.label") == [{"n_raters": 3}]


# Candidates, personal data, unfinished files


def named(video_id: str = "bcdefghijkl", **fields: Any) -> dict[str, Any]:
    row = annotation("x", "ada", url=f"https://youtu.be/{video_id}", start_s=0, end_s=5, **fields)
    del row["clip_id"]
    return row


@pytest.mark.parametrize("why", ["refused", "known to be gone", "taken down"])
def test_what_the_harvest_would_not_take_is_no_candidate(pipeline: settings.Settings, why: str) -> None:
    url = "https://www.youtube.com/watch?v=bcdefghijkl"
    if why == "refused":
        sql(
            "insert into catalog.source (source_id, url, speaker_group, refusal) values (%s, %s, 'g', 'private')",
            *("youtube:bcdefghijkl", url),
        )
    elif why == "taken down":
        sql("insert into catalog.takedown (target, reason) values ('youtube:bcdefghijkl', 'asked')")
    else:
        sql("insert into catalog.clip_attempt (stage, url, outcome) values ('harvest', %s, 'gone')", url)
    found = merge([named()])
    assert (found["accepted"], found["waiting"], found.get("candidates")) == (1, 1, None)
    assert sql("select * from catalog.clip") == []


def test_personal_texts_are_kept_flagged_and_in_no_label(pipeline: settings.Settings) -> None:
    texts = {"transcription": "Write to ada@example.org", "audio_description": "Rings +44 20 7946 0958"}
    assert merge([annotation(CLIP, "ada", **texts, report_text="me [at] example [dot] org")])["flagged"] == 1
    (row,) = sql("select flagged_fields, transcription from catalog.annotation")
    assert row["flagged_fields"] == ["transcription", "audio_description", "report_text"]
    assert row["transcription"] == texts["transcription"]
    found = sql("select transcription, audio_description from catalog.label")
    assert found == [{"transcription": None, "audio_description": None}]


def test_a_file_that_is_being_written_waits_until_it_is_whole(
    pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = jsonl([ROW, {**ROW, "annotator_id": "bo"}])
    path = "inbox/annotations/a.jsonl"
    store.write_bytes(path, whole[:-30])
    assert annotations.merge_inbox_file(path, "b") == {"unfinished": 1}
    assert sql("select * from catalog.annotation") == []
    store.write_bytes(path, whole)
    assert annotations.merge_inbox_file(path, "b")["accepted"] == 2
    store.write_bytes(path, whole[:-30])
    monkeypatch.setattr(annotations, "SETTLED_AFTER", annotations.SETTLED_AFTER * 0)
    assert annotations.merge_inbox_file(path, "c")["rejected"] == 1
    assert "midst" in sql("select reason from catalog.annotation_reject")[0]["reason"]


@pytest.mark.parametrize(
    ("name", "whole", "n_cut"),
    [
        ("a.csv", csv_file([ROW, {**ROW, "annotator_id": "bo", "transcription": "Good morning"}]), 9),
        ("a.csv", csv_file([ROW, {**ROW, "annotator_id": "bo", "transcription": "Good, morning"}]), 4),
        ("a.tsv", csv_file([ROW, {**ROW, "annotator_id": "bo"}], "\t"), 20),
        ("a.csv.gz", gzip.compress(csv_file([ROW, {**ROW, "annotator_id": "bo"}])), 5),
        ("a.parquet", parquet_file([ROW, {**ROW, "annotator_id": "bo"}]), 30),
        ("a.json", tasks_of([ROW, ROW]), 25),
    ],
)
def test_half_a_file_of_any_form_waits_until_it_is_whole(
    pipeline: settings.Settings, name: str, whole: bytes, n_cut: int
) -> None:
    path = f"inbox/annotations/{name}"
    store.write_bytes(path, whole[:-n_cut])
    assert annotations.merge_inbox_file(path, "b") == {"unfinished": 1}
    assert store.paths_below("inbox") == [path]
    assert sql("select * from catalog.annotation") == []
    store.write_bytes(path, whole)
    assert annotations.merge_inbox_file(path, "b")["accepted"] >= 1
    assert sql("select * from catalog.annotation_reject") == []
    assert {row["transcription"] for row in sql("select transcription from catalog.annotation")} <= {
        None, "Good morning", "Good, morning"
    }  # fmt: skip


def test_a_csv_without_a_last_line_break_is_taken_once_it_has_settled(
    pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "inbox/annotations/a.csv"
    store.write_bytes(path, csv_file([ROW])[:-2])
    assert annotations.merge_inbox_file(path, "b") == {"unfinished": 1}
    monkeypatch.setattr(annotations, "SETTLED_AFTER", annotations.SETTLED_AFTER * 0)
    assert annotations.merge_inbox_file(path, "b")["accepted"] == 1
    store.write_bytes("inbox/annotations/empty.csv", b"")
    assert annotations.merge_inbox_file("inbox/annotations/empty.csv", "b")["files"] == 1


def test_a_file_that_grew_while_it_was_merged_is_read_again(
    pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "inbox/annotations/a.jsonl"
    store.write_bytes(path, jsonl([ROW]))
    merge_stream = annotations.merge_stream

    def merge_and_grow(*args: Any, **options: Any) -> dict[str, int]:
        counts = merge_stream(*args, **options)
        store.write_bytes(path, jsonl([ROW, {**ROW, "annotator_id": "bo"}]))
        return counts

    with monkeypatch.context() as patched:
        patched.setattr(annotations, "merge_stream", merge_and_grow)
        assert annotations.merge_inbox_file(path, "b")["unfinished"] == 1
    assert annotations.merge_inbox_file(path, "b")["accepted"] == 1
    assert store.paths_below("inbox") == ["inbox/merged/b/a.jsonl"]


def test_the_published_schemas_are_the_codes() -> None:
    from local import schemas

    for path, text in schemas.published().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make docs`"
    schema = json.loads(schemas.annotation())
    assert schema["properties"].keys() == contract.Annotation.model_fields.keys()
    assert schema["required"] == ["annotator_id", "submitted_at"]
