import io
import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.spec import AbstractBufferedFile
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from include import annotations, catalog, columns, contract, funnel, labels, readers, settings, store
from tests.conftest import annotation, believe, jsonl, merge, ready_clip, sql

CLIP, OTHER_CLIP = "youtube-abcdefghijk-0-10000", "youtube-bcdefghijkl-0-10000"
ROW = {"clip_id": CLIP, "annotator_id": "ada", "submitted_at": "2026-01-01T10:00:00+01:00"}


def read(*rows: Any) -> list[contract.Accepted | contract.Rejected]:
    return list(readers.read_jsonl(io.BytesIO(jsonl(list(rows)))))


def accept(**said: Any) -> contract.Annotation:
    (row,) = read({**ROW, **said})
    assert isinstance(row, contract.Accepted), row
    return row.annotation


def refuse(row: Any) -> str:
    (found,) = read(row)
    assert isinstance(found, contract.Rejected), found
    return found.reason


# The contract


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("arousal", [0, 10, "7", 3.0], [-1, 11, 2.5, True, "high", [1]]),
        ("valence", [-5, 5, "-3"], [-6, 6, 0.5, False]),
        ("time_spent_s", [0, 12.5, "3.5"], [-0.1, True, "NaN", "inf", "long"]),
        ("transcription", ["a", "é" * 10_000], ["é" * 10_001, 7, "a\x00b"]),
        ("audio_description", ["a"], [{}]),
        ("video_description", ["a"], [["a"]]),
        ("language", ["en", "pt-BR", "zh-Hant-TW"], ["english", "e", "en_GB", "en-", "en" + "-abcdefgh" * 4]),
        ("age_group", ["0-3", "80-100"], ["4-8", "adult", 20]),
        ("gender", ["male", "female", "other"], ["m", "Male"]),
        ("accent", ["us_english", "unsure", "other"], ["us", "french"]),
        ("audio_quality", ["unusable", "excellent"], ["best", 5]),
        ("background_sounds", [["music", "animals"], ["none"], []], [["noise"], "music", [None]]),
        ("emotions", [["happy", "sad"], []], [["hangry"], "happy", ["Happy"], [7], ["happy\x00"]]),
        ("reports", [["offensive"], ["personal_data", "other"]], [["boring"], "offensive"]),
        ("annotator_id", ["a", "a" * 200], ["a" * 201, 17, "", "  ", "a\x00"]),
        ("clip_id", [CLIP, "a" * 200], ["a" * 201, "../a", "a b", "youtube:a-0-1"]),
        ("submitted_at", ["2026-01-01T10:00:00Z", "2026-01-01 10:00:00+05:30"],
         ["2026-01-01T10:00:00", "2026-01-01", 1767261600, "1767261600", "yesterday", "0001-01-01T00:00:00+14:00", ""]),
        ("retracted", [True, False], ["perhaps", 2]),
        ("vocabulary_version", ["2023-12+neutral"], ["2019-01"]),
        ("source_ref", ["row 7"], ["r" * 201]),
    ],
)  # fmt: skip
def test_each_field_has_bounds(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        accept(**{name: value})
    for value in bad:
        assert name in refuse({**ROW, name: value})


@pytest.mark.parametrize("blank", [None, "", "  ", "\t\n"])
def test_blank_is_not_said_and_no_default(blank: str | None) -> None:
    fields = [name for name in contract.Annotation.model_fields if name not in ROW]
    assert accept(**dict.fromkeys(fields, blank)) == accept()
    said = accept().model_dump(exclude={*ROW, "retracted"})
    assert [value for value in said.values() if value not in (None, [])] == []


def test_each_word_is_said_once() -> None:
    assert accept(emotions=["sad", "happy", "sad"]).emotions == ["sad", "happy"]


@pytest.mark.parametrize(
    "url",
    ["https://www.youtube.com/watch?v=abcdefghijk", "https://youtu.be/abcdefghijk?t=3", "youtube.com/abcdefghijk"],
)
def test_url_and_times_name_the_same_clip_as_its_id(url: str) -> None:
    row = {**ROW, "url": url, "start_s": "0", "end_s": 10.0}
    del row["clip_id"]
    if url.startswith("https"):
        (found,) = read(row)
        assert isinstance(found, contract.Accepted)
        assert found.annotation.clip_id == CLIP
        assert found.record("x")[0] == contract.Accepted(1, accept()).record("y")[0]
    else:
        assert "no http or https address" in refuse(row)


@pytest.mark.parametrize(
    ("start_s", "end_s", "reason"),
    [
        (5, 5, "not after its start"), (-1, 5, "before its source"), (0, 31, "over 30 s"), ("one", 5, "start_s"),
        (0, float("inf"), "end_s"), (float("nan"), 5, "start_s"), (0, True, "end_s"), ([], 5, "start_s"),
        (0, {"s": 5}, "end_s"), (0, 10**400, "end_s"), (None, 5, "url, start_s and end_s"),
    ],
)  # fmt: skip
def test_times_that_are_none_are_refused(start_s: Any, end_s: Any, reason: str) -> None:
    row = {**ROW, "url": "https://youtu.be/abcdefghijk", "start_s": start_s, "end_s": end_s}
    del row["clip_id"]
    assert reason in refuse(row)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**ROW, "mood": "good"}, "mood: Extra inputs are not permitted"),
        ({"clip_id": CLIP}, "annotator_id: Field required; submitted_at: Field required"),
        ({**ROW, "emotions": ["x"] * 10_000}, "and 9995 more faults"),
        (["a", "list"], "a row is a JSON object"),
        ("null", "a row is a JSON object"),
        ('{"clip_id": ', "no JSON"),
        (json.dumps(ROW)[:-1] + ', "arousal": 1, "arousal": 9}', "the key 'arousal' stands twice"),
        (json.dumps(ROW)[:-1] + ', "arousal": NaN}', "arousal: Input should be a finite number"),
        (json.dumps(ROW)[:-1] + ', "time_spent_s": Infinity}', "time_spent_s: Input should be a finite number"),
        (json.dumps(ROW)[:-1] + ', "arousal": ' + "9" * 5000 + "}", "no JSON: Exceeds the limit"),
        (json.dumps(ROW)[:-1] + ', "transcription": ' + "[" * 100_000, "no JSON"),
        (json.dumps({**ROW, "transcription": "olé"}, ensure_ascii=False).encode("latin-1"), "not UTF-8"),
        (json.dumps(ROW).encode("utf-16"), "not UTF-8"),
        (json.dumps(ROW) + "\x00", "no JSON: Extra data"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason(row: Any, reason: str) -> None:
    assert reason in refuse(row)


def test_a_byte_order_mark_and_blank_lines_are_passed_over() -> None:
    content = b"\xef\xbb\xbf" + json.dumps(ROW).encode() + b"\r\n\r\n   \n" + json.dumps(ROW).encode()
    found = list(readers.read_jsonl(io.BytesIO(content)))
    assert [(type(row), row.line) for row in found] == [(contract.Accepted, 1), (contract.Accepted, 4)]


def test_a_line_that_is_too_long_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.dumps(ROW)
    monkeypatch.setattr(readers, "MAX_LINE_BYTES", len(line))
    found = read(line, line + " ", "x" * (5 * len(line)), line)
    assert [type(row) is contract.Accepted for row in found] == [True, False, False, True]
    assert [row.line for row in found] == [1, 2, 3, 4]
    assert f"over {len(line)} bytes" in found[1].reason  # type: ignore[union-attr]


class FileOnS3(AbstractBufferedFile):
    """What s3fs hands out, but for the network: its readline() takes no size."""

    def __init__(self, content: bytes) -> None:
        super().__init__(None, "inbox/a.jsonl", "rb", size=len(content), cache_options={}, cache_type="bytes")
        self._content = content

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self._content[start:end]


def test_a_file_on_s3_is_read_like_one_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AbstractBufferedFile, "__del__", lambda file: None)
    found = list(readers.read_jsonl(FileOnS3(jsonl([ROW, "x", ROW]))))
    assert [type(row) is contract.Accepted for row in found] == [True, False, True]


def test_check_tells_what_a_merge_does_and_changes_nothing(pipeline: settings.Settings, tmp_path: Path) -> None:
    path = tmp_path / "form.jsonl"
    named = {k: v for k, v in ROW.items() if k != "clip_id"} | {"url": "https://youtu.be/cdefghijklm", "start_s": 1}
    earlier = {**ROW, "submitted_at": "2025-01-01T00:00:00Z", "transcription": "call 555 123 4567"}
    path.write_bytes(jsonl([ROW, {**ROW, "arousal": 11}, {**named, "end_s": 9}, earlier]))
    merge([{**ROW, "annotator_id": "bo"}])
    before = state()
    result = annotations.check_file(path)
    assert state() == before
    assert result.counts == {
        "accepted": 3, "repeated": 0, "rejected": 1, "waiting": 2, "superseded": 1, "candidates": 1, "flagged": 1
    }  # fmt: skip
    merged = annotations.merge_file(path)
    assert merged.counts - Counter(labels=merged.counts["labels"]) == +result.counts
    assert [(row.line, row.reason) for row in result.rejected] == [
        (2, "arousal: Input should be less than or equal to 10 ('11')")
    ]


# The merge


def state() -> dict[str, Any]:
    """All that a merge may change, but for where and when a row was first seen."""
    return {
        "annotation": sql("select * from catalog.current_annotation order by annotation_id"),
        "label": sql("select * from catalog.label order by clip_id"),
        "reject": sql("select reject_id, raw, reason from catalog.annotation_reject order by reject_id"),
        "counts": funnel.read()["annotations"],
    }


def lasting(found: dict[str, Any]) -> dict[str, Any]:
    rows = [{k: v for k, v in row.items() if k not in ("file", "line", "merged_at")} for row in found["annotation"]]
    return {**found, "annotation": rows}


def test_the_same_file_again_changes_nothing(pipeline: settings.Settings) -> None:
    rows = [annotation(CLIP, "ada"), annotation(CLIP, "bo"), "broken"]
    assert merge(rows) == {"accepted": 2, "repeated": 0, "rejected": 1, "waiting": 2, "labels": 1}
    before = state()
    assert merge(rows, "again.jsonl") == {"accepted": 0, "repeated": 2, "rejected": 1, "labels": 0}
    assert state() == before


ROWS = st.lists(
    st.one_of(
        st.builds(
            lambda clip, rater, minute, emotions, arousal, retracted: {
                "clip_id": f"youtube-abcdefghijk-{clip}-9000", "annotator_id": rater, "emotions": emotions,
                "submitted_at": f"2026-01-01T10:{minute:02}:00Z", "arousal": arousal, "retracted": retracted,
            },
            st.integers(0, 2), st.sampled_from(["ada", "bo", "cy"]), st.integers(0, 3),
            st.lists(st.sampled_from(["happy", "sad", "gloomy", "calm"]), max_size=3), st.integers(0, 10),
            st.booleans(),
        ),
        st.just("no row"),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@hypothesis_settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS, seed=st.integers(0, 99))
def test_order_split_and_repetition_of_rows_do_not_matter(
    pipeline: settings.Settings, rows: list[Any], seed: int
) -> None:
    empty()
    for annotator_id, weight in (("ada", 0.1), ("bo", 0.7), ("cy", 1.3)):
        believe(annotator_id, weight=weight)
    merge(rows)
    whole = lasting(state())
    empty()
    for annotator_id, weight in (("cy", 1.3), ("ada", 0.1), ("bo", 0.7)):
        believe(annotator_id, weight=weight)
    shuffled = [*rows, *rows]
    random.Random(seed).shuffle(shuffled)
    cut = random.Random(seed).randint(0, len(shuffled))
    merge(shuffled[:cut], "one.jsonl")
    merge(shuffled[cut:], "two.jsonl")
    assert lasting(state()) == whole


def empty() -> None:
    sql("truncate catalog.annotation, catalog.annotation_reject, catalog.label, catalog.annotator cascade")


def test_rows_that_fill_several_batches_are_merged_alike(
    pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotations, "BATCH_ROWS", 2)
    rows = [annotation(CLIP, f"rater-{n}") for n in range(5)]
    assert merge([*rows, "x", *rows, "x"]) == {
        "accepted": 5, "repeated": 5, "rejected": 2, "waiting": 5, "labels": 1
    }  # fmt: skip


def test_a_few_clips_are_read_by_the_index_though_the_planner_takes_clips_for_fewer(
    pipeline: settings.Settings,
) -> None:
    merge([annotation(f"youtube-abcdefghijk-{n}-9000", rater) for n in range(600) for rater in ("ada", "bo")])
    with catalog.connect() as connection:
        connection.execute("alter table catalog.annotation alter clip_id set (n_distinct = 20)")
        connection.execute("analyze catalog.annotation")
        connection.execute(
            "create temporary table few on commit drop as"
            " select distinct clip_id, 0 as batch from catalog.annotation where clip_id like '%-59_-9000'"
        )
        connection.execute("analyze few")
        assert len(columns.read_clips(connection, "few", [0])) == 20
        scans = "select seq_scan, idx_scan from pg_stat_xact_user_tables where relid = 'catalog.annotation'::regclass"
        before = connection.execute(scans).fetchone()
        assert len(columns.read_clips(connection, "few", [0])) == 20
        after = connection.execute(scans).fetchone()
    assert before is not None
    assert after is not None
    assert (after["seq_scan"] - before["seq_scan"], after["idx_scan"] - before["idx_scan"]) == (0, 10)


def test_the_planner_learns_anew_only_once_a_fifth_is_new(
    pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotations, "BATCH_ROWS", 1)
    known = "select reltuples::integer as n from pg_class where oid = 'catalog.annotation'::regclass"
    merge([annotation(CLIP, f"rater-{n}") for n in range(10)])
    assert sql(known) == [{"n": 10}]
    merge([annotation(CLIP, "ada")])
    assert sql(known) == [{"n": 10}]
    merge([annotation(CLIP, f"other-{n}") for n in range(2)])
    assert sql(known) == [{"n": 13}]


def test_a_later_row_supersedes_whichever_comes_first(pipeline: settings.Settings) -> None:
    earlier, later = annotation(CLIP, "ada", arousal=1), annotation(CLIP, "ada", arousal=9)
    assert merge([later]).get("superseded") is None
    assert merge([earlier])["superseded"] == 1
    assert sql("select arousal_mean, n_raters from catalog.label") == [{"arousal_mean": 9.0, "n_raters": 1}]


def test_the_same_moment_in_two_zones_is_one_row(pipeline: settings.Settings) -> None:
    assert merge([ROW])["accepted"] == 1
    assert merge([{**ROW, "submitted_at": "2026-01-01T09:00:00Z"}])["repeated"] == 1


def test_a_retraction_withdraws_what_was_said_before(pipeline: settings.Settings) -> None:
    ready_clip("abcdefghijk", duration_s=10)
    merge([annotation(CLIP, "ada"), annotation(CLIP, "bo")])
    merge([annotation(CLIP, "ada", retracted=True, emotions=[], arousal=None)])
    assert sql("select n_raters, arousal_n from catalog.label") == [{"n_raters": 1, "arousal_n": 1}]
    assert funnel.read()["annotations"] == {
        "counted": 1, "superseded": 1, "retractions": 1, "waiting": 0, "rejected": 0, "annotators": 2
    }  # fmt: skip
    merge([annotation(CLIP, "ada", arousal=7)])
    assert sql("select n_raters, arousal_n from catalog.label") == [{"n_raters": 2, "arousal_n": 2}]


def test_rows_wait_for_their_clip_and_count_once_it_is_there(pipeline: settings.Settings) -> None:
    assert merge([annotation(CLIP, "ada"), annotation(CLIP, "bo")])["waiting"] == 2
    found = funnel.read()
    assert (found["annotations"]["waiting"], found["annotations"]["counted"], found["funnel"]["annotated"]) == (2, 0, 0)
    assert ready_clip("abcdefghijk", duration_s=10) == CLIP
    found = funnel.read()
    assert (found["annotations"]["waiting"], found["annotations"]["counted"], found["funnel"]["annotated"]) == (0, 2, 1)


def test_every_accepted_row_is_counted_superseded_a_retraction_or_waiting(pipeline: settings.Settings) -> None:
    rng = random.Random(3)
    ready_clip("abcdefghijk", duration_s=10)
    rows = [
        annotation(rng.choice([CLIP, OTHER_CLIP]), f"r{rng.randrange(15)}", retracted=rng.random() < 0.3)
        for _ in range(60)
    ]
    accepted = merge(rows)["accepted"]
    found = funnel.read()["annotations"]
    assert accepted == 60
    parts = ("counted", "superseded", "retractions", "waiting")
    assert sum(found[name] for name in parts) == accepted
    assert all(found[name] > 0 for name in parts)


def test_a_crash_in_a_merge_leaves_nothing(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state()

    def crash(*args: object) -> int:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(labels, "renew", crash)
        with pytest.raises(RuntimeError):
            merge([annotation(CLIP, "ada"), "broken"])
    assert state() == before


def test_two_merges_at_once_lose_no_vote(pipeline: settings.Settings) -> None:
    files = [[annotation(CLIP, f"rater-{file}-{n}") for n in range(200)] for file in range(3)]
    threads = [threading.Thread(target=merge, args=(rows, f"{n}.jsonl")) for n, rows in enumerate(files)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sql("select n_raters from catalog.label") == [{"n_raters": 600}]


def test_rejects_can_be_read_with_file_and_line(pipeline: settings.Settings) -> None:
    merge([ROW, {**ROW, "arousal": 11}, b'{"a\x00', {**ROW, "a\x00b": 1}, {**ROW, "\ud800": 1}], "evening.jsonl")
    found = sql("select file, line, raw, reason from catalog.annotation_reject order by line")
    assert [(row["file"], row["line"]) for row in found] == [("evening.jsonl", line) for line in (2, 3, 4, 5)]
    assert found[0]["reason"] == "arousal: Input should be less than or equal to 10 ('11')"
    assert json.loads(found[0]["raw"]) == {**ROW, "arousal": 11}
    assert found[2]["reason"].startswith("a\\u0000b: Extra inputs")
    assert "evening.jsonl:2" in {row["id"] for row in funnel.refusals()}


def test_a_small_merge_imports_no_crowd_kit(pipeline: settings.Settings) -> None:
    rows = [annotation(CLIP, f"r{n}", transcription=text) for n, text in enumerate(["one two", "two", "three"])]
    code = (
        "import io, sys\nfrom include import annotations\n"
        f"annotations.merge_stream(io.BytesIO({jsonl(rows)!r}), 'a.jsonl')\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'crowdkit', 'transformers', 'sklearn'})"
    )
    environment = {**os.environ, "OPEN_EMPATHIC_CATALOG_URL": str(pipeline.catalog_url)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert sql("select n_raters from catalog.label") == [{"n_raters": 3}]


# The inbox


def drop(name: str, rows: list[Any]) -> str:
    path = f"inbox/annotations/{name}"
    store.write_bytes(path, jsonl(rows))
    return path


def waiting(limit: int | None = None) -> list[str]:
    return [planned["path"] for planned in annotations.plan_merges(limit)]


def test_inbox_files_are_merged_and_moved(pipeline: settings.Settings) -> None:
    good, bad, none = drop("good.jsonl", [ROW, "x"]), drop("bad.jsonl", ["x"]), drop("empty.jsonl", [])
    drop("notes.txt", [])
    drop("deeper/late.jsonl", [ROW])
    assert waiting() == [bad, none, good]
    assert waiting(limit=1) == [bad]
    counts = annotations.merge_inbox_file(good, "batch-1")
    assert counts == {"accepted": 1, "repeated": 0, "rejected": 1, "waiting": 1, "labels": 1, "files": 1}
    annotations.merge_inbox_file(bad, "batch-1")
    annotations.merge_inbox_file(none, "batch-1")
    assert waiting() == []
    assert store.paths_below("inbox/merged") == ["inbox/merged/batch-1/empty.jsonl", "inbox/merged/batch-1/good.jsonl"]
    assert store.paths_below("inbox/rejected") == ["inbox/rejected/batch-1/bad.jsonl"]
    assert annotations.merge_inbox_file(good, "batch-2") == {}


def test_a_file_merged_before_a_crash_is_moved_by_the_next_run(pipeline: settings.Settings) -> None:
    path = drop("a.jsonl", [ROW])
    merge([ROW], "a.jsonl")
    assert annotations.merge_inbox_file(path, "b")["repeated"] == 1
    assert store.paths_below("inbox") == ["inbox/merged/b/a.jsonl"]


def test_a_file_that_another_run_moves_while_it_is_merged_counts_as_nothing(
    pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop("a.jsonl", [ROW])
    move: Callable[[str, str], None] = store.move
    monkeypatch.setattr(
        store, "move", lambda path, target: (move(path, "inbox/merged/other/a.jsonl"), move(path, target))
    )
    assert annotations.merge_inbox_file(path, "b") == {}
    assert store.paths_below("inbox") == ["inbox/merged/other/a.jsonl"]


def test_a_dry_run_changes_nothing(pipeline: settings.Settings) -> None:
    path = drop("a.jsonl", [ROW, "x"])
    before = state()
    assert annotations.merge_inbox_file(path, "b", dry_run=True) == {
        "accepted": 1, "repeated": 0, "rejected": 1, "waiting": 1
    }  # fmt: skip
    assert state() == before
    assert store.paths_below("inbox") == [path]


def test_a_merge_that_waited_for_a_freeze_is_dated_after_it(pipeline: settings.Settings) -> None:
    with catalog.connect() as freezing:
        freezing.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        merging = threading.Thread(target=merge, args=([ROW],))
        merging.start()
        waiting = "select count(*) as n from pg_locks where locktype = 'advisory' and not granted"
        while sql(waiting)[0]["n"] == 0:
            pass
        frozen_at = freezing.execute("select clock_timestamp() as at").fetchone()["at"]  # type: ignore[index]
    merging.join()
    assert sql("select merged_at from catalog.annotation")[0]["merged_at"] > frozen_at


def test_two_runs_at_once_on_one_file_merge_it_once(pipeline: settings.Settings) -> None:
    path = drop("a.jsonl", [annotation(CLIP, f"rater-{n}") for n in range(300)])
    found: list[dict[str, int]] = []
    runs = [
        threading.Thread(target=lambda batch=batch: found.append(annotations.merge_inbox_file(path, batch)))
        for batch in ("one", "two")
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(found) == 2
    assert sum(counts.get("accepted", 0) for counts in found) in (0, 300)  # told by the one that moved the file
    assert sql("select n_raters from catalog.label") == [{"n_raters": 300}]
    assert sum(counts.get("files", 0) for counts in found) == 1
    assert len(store.paths_below("inbox")) == 1


def test_the_same_file_under_two_names_is_merged_once(pipeline: settings.Settings) -> None:
    rows = [annotation(CLIP, f"rater-{n}") for n in range(5)] + ["no row"]
    counts = [annotations.merge_inbox_file(drop(name, rows), "b") for name in ("a.jsonl", "b.jsonl")]
    assert [(c["accepted"], c["repeated"], c["rejected"]) for c in counts] == [(5, 0, 1), (0, 5, 1)]
    assert funnel.read()["annotations"]["rejected"] == 1


def test_a_refused_row_can_be_read_mended_and_sent_again(pipeline: settings.Settings) -> None:
    merge([{**ROW, "arousal": 11, "transcription": "hé"}])
    (refused,) = sql("select raw, reason from catalog.annotation_reject")
    assert refused["reason"].startswith("arousal: ")
    mended = refused["raw"].replace('"arousal": 11', '"arousal": 10')
    assert merge([mended], "mended.jsonl")["accepted"] == 1
    assert sql("select arousal_mean, transcription from catalog.label") == [
        {"arousal_mean": 10.0, "transcription": "hé"}
    ]
