"""Manifests: a CSV that names many clips, as AudioSet and VGGSound do → sources and candidate clips.

Rows go by COPY into a staging table and from there by one statement each into `source` and `clip`. The sources are
`is_unread`: nothing is downloaded of them before a harvest has read their metadata.
"""

import csv
import logging
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from include import catalog, ids, ledger
from include.faults import Fault

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

LENGTH_S = 10.0  # of AudioSet's and VGGSound's clips, where a row says only its start
VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
FILE_NAME = re.compile(r"([A-Za-z0-9_-]{11})_(\d{6})(?:\.\w+)?")  # VGGSound: <id>_<start in seconds>.mp4
NUMBER = re.compile(r"\d{1,6}(\.\d*)?")
MAX_TRIES = 5
NAMES = {
    "video_id": ("id", "video_id", "youtube_id", "ytid"),
    "start": ("start", "start_s", "start_seconds", "start_time"),
    "end": ("end", "end_s", "end_seconds", "end_time"),
    "length": ("length", "length_s", "duration", "duration_s"),
    "label": ("label", "labels", "positive_labels", "class"),
}
Parsed = tuple[str, int, int, str]  # video id, start_ms, end_ms, label


def import_file(path: Path, *, is_dry_run: bool = False) -> dict[str, int]:
    """Take in a manifest; again changes nothing. Rows that are no clip are recorded in the ledger and counted.

    Returns `manifest_rows`, `new_sources`, `new_clips` and, if there are any, `refused`.
    Raises FileNotFoundError, UnicodeDecodeError.
    """
    refused: list[tuple[str, str]] = []
    with catalog.connect() as connection, path.open(encoding="utf-8-sig", newline="") as stream:
        connection.execute("set local work_mem = '256MB'")  # sorts and hashes of a million rows stay in memory
        catalog.run(connection, "create_manifest_staging")
        n_rows = _copy(connection, _rows(csv.reader(stream, skipinitialspace=True), path.name, refused))
        connection.execute("analyze manifest_row")
        counts = {"manifest_rows": n_rows + len(refused), **_insert(connection)}
        for row, reason in refused:
            if ledger.known_refusal(connection, row) is None:
                ledger.record(connection, "harvest", row, Fault("refused", reason))
        if is_dry_run:
            connection.rollback()
    if refused:
        counts["refused"] = len(refused)
    log.info("%s: %s", path.name, counts)
    return counts


def _insert(connection: "Connection[catalog.Row]", n_tries: int = MAX_TRIES) -> dict[str, int]:
    """Take in what is staged and not known; from the start again if another run puts in some of it meanwhile.

    That is rare, and ON CONFLICT, which would look each row up once more, costs 3 µs of 22 a row.
    Raises psycopg.errors.UniqueViolation if that happens in each of the tries.
    """
    import psycopg

    try:
        with connection.transaction():
            # Nobody counts coverage meanwhile: what a source comes to be sought for may be overlooked here.
            connection.execute("lock table catalog.coverage in share mode")
            n_sources = catalog.run(connection, "insert_manifest_sources")
            catalog.run(connection, "note_manifest_clips")
            # 4 µs of 22 a row. A clip goes in with the source that it is joined to, and no source is ever deleted.
            catalog.run(connection, "skip_foreign_keys")
            return {"new_sources": n_sources, "new_clips": catalog.run(connection, "insert_manifest_clips")}
    except psycopg.errors.UniqueViolation as error:
        if n_tries == 1:
            raise
        log.info("once more, as another run has put in some of the same: %s", error)
    return _insert(connection, n_tries - 1)


def _copy(connection: "Connection[catalog.Row]", parsed: Iterator[Parsed]) -> int:
    """COPY into the staging table, as text made here: twice as fast as adapting each value."""
    n_rows = 0
    into = "copy manifest_row (video_id, start_ms, end_ms, hint) from stdin"
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        block: list[str] = []
        for video_id, start_ms, end_ms, label in parsed:
            block.append(f"{video_id}\t{start_ms}\t{end_ms}\t{label}\n")
            if len(block) == 10_000:
                n_rows += len(block)
                copy.write("".join(block))
                block = []
        n_rows += len(block)
        copy.write("".join(block))
    return n_rows


def _rows(reader: Iterator[list[str]], file: str, refused: list[tuple[str, str]]) -> Iterator[Parsed]:
    """The clips of a CSV; what is none goes to `refused` as (row, reason)."""
    columns: dict[str, int] | None = None
    for n_row, row in enumerate(reader, 1):
        if not row or row[0].startswith("#"):
            continue
        if columns is None:
            columns = _columns(row)
            if columns:
                continue
        try:
            yield _named(row, columns) if columns else _plain(row)
        except (ValueError, IndexError) as error:
            text = "".join(char if char.isprintable() else "\ufffd" for char in ",".join(row))
            reason = str(error) if isinstance(error, ValueError) else "too few columns"
            refused.append((f"{file}, row {n_row}: {text}"[:500], reason))


def _columns(row: list[str]) -> dict[str, int]:
    """Where each field stands, if the row is a header; else nothing."""
    names = [name.strip().lower() for name in row]
    found = {field: names.index(name) for field, known in NAMES.items() for name in known if name in names}
    return found if {"video_id", "start"} <= found.keys() else {}


def _named(row: list[str], columns: dict[str, int]) -> Parsed:
    """A row under a header. Raises ValueError, IndexError."""
    start_s = _seconds(row[columns["start"]])
    if "end" in columns:
        end_s = _seconds(row[columns["end"]])
    else:
        end_s = start_s + (_seconds(row[columns["length"]]) if "length" in columns else LENGTH_S)
    return _clip(row[columns["video_id"]], start_s, end_s, row[columns["label"]] if "label" in columns else "")


def _plain(row: list[str]) -> Parsed:
    """A row without a header: `id, start, end, labels`, `id, start, label, split` or `<id>_<start>.mp4, label`."""
    named = FILE_NAME.fullmatch(row[0])
    if named:
        start_s = float(named[2])
        return _clip(named[1], start_s, start_s + LENGTH_S, row[1] if len(row) > 1 else "")
    start_s = _seconds(row[1])
    if len(row) > 2 and NUMBER.fullmatch(row[2]):
        return _clip(row[0], start_s, float(row[2]), row[3] if len(row) > 3 else "")
    return _clip(row[0], start_s, start_s + LENGTH_S, row[2] if len(row) > 2 else "")


def _seconds(text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{text[:50]!r} is no time in seconds")
    return float(text)


def _clip(video_id: str, start_s: float, end_s: float, label: str) -> Parsed:
    if not VIDEO_ID.fullmatch(video_id):
        raise ValueError(f"{video_id[:50]!r} is no YouTube id")
    start_ms, end_ms = round(start_s * 1000), round(end_s * 1000)
    ids.check_window(start_ms, end_ms)
    if not label.isprintable() or "\\" in label:
        label = "".join(char if char.isprintable() and char != "\\" else " " for char in label)
    return video_id, start_ms, end_ms, label[:500]


def unread_addresses(limit: int) -> list[str]:
    """Addresses, with the times of their clips, of `limit` sources whose metadata is to be read."""
    with catalog.connect() as connection:
        found = catalog.rows(connection, "select_unread_sources", limit=limit)
    return list(chain.from_iterable(row["given"] for row in found))
