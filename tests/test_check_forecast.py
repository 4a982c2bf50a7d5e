"""`oe annotations check` against what a merge of the same file then does, for files in which everything happens."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from include import annotations, settings
from tests.conftest import annotation, jsonl, merge, ready_clip, sql
from tests.test_merge_order import crowd, everything
from tests.test_readers import TASK, csv_file, export_csv, export_row, parquet_file

KNOWN = "youtube-abcdefghijk-0-10000"


def mixed() -> list[Any]:
    """Rows of the contract: new and old, right and wrong, of clips known, unknown and to be made, some personal."""
    said = [row for row in crowd(11, n_clips=8) if isinstance(row, dict) and "submitted_at" in row]
    return [
        *said,
        said[0],
        annotation(KNOWN, "ada", transcription="ring 555 123 4567"),
        annotation(KNOWN, "ada", retracted=True),
        annotation(KNOWN, "bo", arousal=99),
        annotation(KNOWN, "bo", emotions=["hangry"]),
        {"clip_id": KNOWN},
    ]


def flat(rows: list[Any]) -> list[Any]:
    """Rows that a table can hold: each with every name."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


FILES = {
    "form.jsonl": lambda: jsonl([*mixed(), "no row", b"\xff\xfe"]),
    "form.jsonl.gz": lambda: gzip.compress(jsonl(mixed()))[:-40],
    "form.csv": lambda: csv_file([row for row in mixed() if "annotator_id" in row]) + b"one,two\n",
    "form.parquet": lambda: parquet_file(flat([{**r, "retracted": r.get("retracted", False)} for r in mixed()])),
    "tasks.json": lambda: json.dumps([TASK, TASK, {"id": 8}]).encode(),
    "export.csv": lambda: export_csv(
        export_row(), export_row(id=13, author_id=6), export_row(id=14, date_created="2024-01-01 00:00:00+00"),
        export_row(id=15, status="Pending"), export_row(id=16, age="old"), export_row(id=17, author_id=""),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_forecast_is_what_happens(pipeline: settings.Settings, tmp_path: Path, name: str) -> None:
    ready_clip("abcdefghijk", duration_s=10)
    content = FILES[name]()
    merge([annotation(KNOWN, "bo"), *[row for row in mixed() if "annotator_id" in row][:5]], "before.jsonl")
    before = everything()
    path = tmp_path / name
    path.write_bytes(content)
    forecast = annotations.check_file(path, valence_scale="form")
    assert everything() == before
    n_rejects = len(sql("select * from catalog.annotation_reject"))
    result = annotations.merge_file(path, valence_scale="form")
    assert Counter(result.counts) - Counter(labels=result.counts["labels"]) == +Counter(forecast.counts)
    assert [(row.line, row.raw, row.reason) for row in forecast.rejected] == [
        (row.line, row.raw, row.reason) for row in result.rejected
    ]
    assert forecast.counts["accepted"] > 0
    assert forecast.counts["rejected"] > 0
    kept = sql("select reason from catalog.annotation_reject")
    assert len(kept) == n_rejects + len({(row.raw, row.reason) for row in result.rejected})
    # Again: all of it is known by then, and what was refused is refused.
    again = annotations.check_file(path, valence_scale="form").counts
    assert (again["accepted"], again["rejected"]) == (0, forecast.counts["rejected"])
    assert again["repeated"] == forecast.counts["accepted"] + forecast.counts["repeated"]
