"""Rows in COPY's binary format, by what Postgres makes of them."""

import json
import random
from typing import Any

import pyarrow as pa
import pytest

from include import binary_copy, catalog, settings

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("whole", pa.int64()),
        ("number", pa.float64()),
        ("is_so", pa.bool_()),
        ("votes", pa.string()),
        ("words", pa.list_(pa.string())),
    ]
)
TEXTS = [
    "",
    "plain",
    "Grüße, 你好 🎧",
    'quotes "and" {braces}, commas',
    "tab\tand\nline\\",
    "NULL",
    "\x1e\x1f\x01",
    None,
]
VOTES: list[Any] = [{}, {"happy": 2, "sad": 0.1}, {'"': 1 / 3}, None]


def random_rows(seed: int, n_rows: int = 60) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        {
            "text": rng.choice(TEXTS),
            "whole": rng.choice([0, -1, 2**31 - 1, -(2**31), None]),
            "number": rng.choice([0.0, -0.0, 1 / 3, 1e308, 5e-324, float("inf"), None]),
            "is_so": rng.choice([True, False, None]),
            "votes": rng.choice(VOTES),
            "words": rng.choice([[], ["a"], rng.choices(TEXTS, k=3), None]),
        }
        for _ in range(n_rows)
    ]


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    texts = [{**row, "votes": None if row["votes"] is None else json.dumps(row["votes"])} for row in rows]
    return pa.Table.from_pylist(texts, SCHEMA)


def copied(*parts: bytes) -> list[dict[str, Any]]:
    with catalog.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "create temporary table found (nth serial, text text, whole integer, number double precision,"
            " is_so boolean, votes json, words text[]) on commit drop"
        )
        columns = ", ".join(SCHEMA.names)
        with cursor.copy(f"copy found ({columns}) from stdin (format binary)".encode()) as copy:
            for part in parts:
                copy.write(part)
        found = connection.execute("select * from found order by nth").fetchall()
        return [{name: row[name] for name in SCHEMA.names} for row in found]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_postgres_takes_what_was_meant(pipeline: settings.Settings, seed: int) -> None:
    rows = random_rows(seed)
    first, second = as_table(rows[:40]), as_table(rows[40:])
    parts = [binary_copy.rows(table) for table in (first, second)]
    assert copied(binary_copy.HEADER, *parts, binary_copy.TRAILER) == rows


def test_dictionaries_are_written_as_what_they_stand_for(pipeline: settings.Settings) -> None:
    rows = random_rows(5)
    table = as_table(rows)
    coded = [
        column.combine_chunks().dictionary_encode() if pa.types.is_string(column.type) else column
        for column in table.columns
    ]
    lists = pa.array([["a"], [], [None, "b"]], pa.list_(pa.string()))
    words = [["a"], [], [None, "b"], None] * 15
    coded[-1] = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None] * 15, pa.int32()), lists)
    found = copied(binary_copy.HEADER, binary_copy.rows(pa.table(coded, table.column_names)), binary_copy.TRAILER)
    assert found == [{**row, "words": said} for row, said in zip(rows, words, strict=True)]


def test_rows_without_a_null_are_like_others(pipeline: settings.Settings) -> None:
    rows = [row for seed in range(20) for row in random_rows(seed) if None not in row.values()]
    assert len(rows) > 20
    assert copied(binary_copy.HEADER, binary_copy.rows(as_table(rows)), binary_copy.TRAILER) == rows


def test_a_slice_and_chunks_are_rows_like_others(pipeline: settings.Settings) -> None:
    rows = random_rows(4)
    table = pa.concat_tables([as_table(rows[:30]), as_table(rows[30:])])
    found = copied(binary_copy.HEADER, binary_copy.rows(table.slice(7, 40)), binary_copy.TRAILER)
    assert found == rows[7:47]


def test_no_rows_are_no_bytes(pipeline: settings.Settings) -> None:
    assert binary_copy.rows(as_table([])) == b""
    assert copied(binary_copy.HEADER, binary_copy.TRAILER) == []


def test_what_would_be_written_as_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="not in range"):
        binary_copy.rows(pa.table({"whole": [2**31]}))
    for values in ([b"bytes"], [{"a": 1}], pa.array([1.5], pa.float32())):
        with pytest.raises(TypeError, match="is not written"):
            binary_copy.rows(pa.table({"x": values}))
