"""The tables beside a release's shards: clips, votes, what was removed, what changed."""

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from include import catalog, labels, settings, store

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

log = logging.getLogger(__name__)

BATCH_ROWS = 10_000


def write(version: str, root: str) -> list[str]:
    """Write the tables of a built release below `root` in the store; their paths.

    All rows are frozen, so what is written side by side fits together.
    """
    with catalog.connect() as connection:
        key = pseudonym_key(connection)

    def write_clips() -> None:
        with _reading() as connection:
            clips = _clip_schema()
            lines = (line + b"\n" for line in catalog.copy_texts(connection, "select_release_clips", version=version))
            _write_parquet(f"{root}/clips.parquet", clips, _Csv(lines, clips.names, escape="\\"), key)
            links = _out(connection, "select_release_links", version)
            _write_parquet(f"{root}/links.parquet", _link_schema(), links, key)

    def write_others() -> None:
        with _reading() as connection:
            _write_changes(connection, version, f"{root}/changes.json")
            _write_removed(connection, version, f"{root}/removed.jsonl")
            votes = _out(connection, "select_release_votes", version)
            _write_parquet(f"{root}/votes.parquet", _vote_schema(), votes, key)

    # Each half takes about one core, of the server and of ours.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for half in [pool.submit(write_clips), pool.submit(write_others)]:
            half.result()
    names = ("changes.json", "removed.jsonl", "clips.parquet", "votes.parquet", "links.parquet")
    return [f"{root}/{name}" for name in names]


@contextmanager
def _reading() -> "Iterator[Connection[catalog.Row]]":
    """A connection that sorts and joins by the million.

    In memory of its own: a container has 64 MB by default of what workers would share.
    """
    with catalog.connect() as connection:
        connection.execute("set local work_mem = '128MB'")
        connection.execute("set local enable_parallel_hash = off")
        yield connection


def _write_removed(connection: "Connection[catalog.Row]", version: str, path: str) -> None:
    """Write a line for each clip that an earlier release had and this one has not."""
    given = {"version": version, "min_raters": settings.current().min_raters}
    with store.open_atomic(path) as stream, connection.cursor("removed_clips") as cursor:
        cursor.execute(catalog.statement("select_removed_clips"), given)
        for row in cursor:
            stream.write(json.dumps(row).encode() + b"\n")


def changes(version: str, parent: str | None) -> dict[str, Any]:
    """What a release changed against another: counts and clip ids by kind; fields of each changed clip."""
    with _reading() as connection:
        counts = _compare(connection, version, parent)
        return {
            "parent": parent,
            "counts": counts,
            "added": [row["clip_id"] for row in _changed(connection, "added")],
            "changed": {row["clip_id"]: row["fields"] for row in _changed(connection, "changed")},
            "removed": [row["clip_id"] for row in _changed(connection, "removed")],
        }


def _compare(connection: "Connection[catalog.Row]", version: str, parent: str | None) -> dict[str, int]:
    """Fill table `release_change`; how many clips changed by kind."""
    catalog.create(connection, "create_release_change", version=version, parent=parent)
    counted = connection.execute("select change, count(*) as n_clips from release_change group by change")
    found = {row["change"]: row["n_clips"] for row in counted}
    return {change: found.get(change, 0) for change in ("added", "changed", "removed")}


def _changed(connection: "Connection[catalog.Row]", change: str) -> Iterator[catalog.Row]:
    """Clips of one kind, by id; those that changed with their fields."""
    with connection.cursor("changed_clips") as cursor:
        cursor.itersize = BATCH_ROWS
        cursor.execute(catalog.statement("select_release_changes"), {"change": change})
        yield from cursor


def _write_changes(connection: "Connection[catalog.Row]", version: str, path: str) -> None:
    """Write what changes() gives, as JSON with an indent of 1, without holding it."""
    release = connection.execute("select parent from catalog.release where version = %s", [version]).fetchone()
    parent = release["parent"] if release else None
    head = {"parent": parent, "counts": _compare(connection, version, parent)}
    with store.open_atomic(path) as stream:
        stream.write(json.dumps(head, indent=1).removesuffix("\n}").encode())
        for change, opening, closing in (("added", "[", "]"), ("changed", "{", "}"), ("removed", "[", "]")):
            stream.write(f',\n "{change}": {opening}'.encode())
            n_written = 0
            for row in _changed(connection, change):
                said = json.dumps(row["clip_id"])
                if change == "changed":
                    said += ": " + json.dumps(row["fields"], indent=1).replace("\n", "\n  ")
                stream.write(f"{',' if n_written else ''}\n  {said}".encode())
                n_written += 1
            stream.write(f"{chr(10) + ' ' if n_written else ''}{closing}".encode())
        stream.write(b"\n}")


def pseudonym_key(connection: "Connection[catalog.Row]") -> bytes:
    """Key of the pseudonyms: the setting, else the password of Airflow's Connection `open_empathic_pseudonyms`, else
    one made once and kept in the catalog, beside the names it hides."""
    configured = settings.current().pseudonym_key
    if configured is not None:
        return configured.get_secret_value().encode()
    secret = settings.airflow_connection_secret("open_empathic_pseudonyms")
    if secret:
        return secret.encode()
    connection.execute(
        "insert into catalog.setting values ('pseudonym_key', %s) on conflict do nothing", [secrets.token_hex(32)]
    )
    kept = connection.execute("select value from catalog.setting where name = 'pseudonym_key'").fetchone()
    assert kept is not None  # the statement before made it
    return str(kept["value"]).encode()


def pseudonym(annotator_id: str, key: bytes) -> str:
    """The name an annotator has outside the catalog: stable, and not to be undone without the key (HMAC-SHA-256)."""
    return hmac.new(key, annotator_id.encode(), hashlib.sha256).hexdigest()[:16]


@dataclass(frozen=True)
class _Csv:
    """Rows in CSV and the names of their columns; `escape` stands before what is no sign of CSV, or is False."""

    lines: Iterator[bytes]
    names: list[str]
    escape: str | Literal[False] = False


def _out(connection: "Connection[catalog.Row]", statement: str, version: str) -> _Csv:
    """What a statement gives, as COPY writes it."""
    lines = catalog.copy_out(connection, statement, version=version)
    return _Csv(names=next(lines).decode().rstrip().split(","), lines=lines)


def _write_parquet(path: str, schema: "pa.Schema", found: _Csv, key: bytes) -> None:
    """Stream rows into a Parquet file; memory does not grow with them.

    Arrow reads them itself: a Python object for each value would take five times as long. It reads some while the
    server makes the next.
    """
    import pyarrow.parquet as pq

    with (
        store.open_atomic(path) as stream,
        pq.ParquetWriter(stream, schema) as writer,
        ThreadPoolExecutor(max_workers=1) as reader,
    ):
        begun: Future[None] | None = None
        while content := b"".join(islice(found.lines, BATCH_ROWS)):
            if begun is not None:
                begun.result()
            begun = reader.submit(lambda rows: writer.write_table(_as_table(rows, found, schema, key)), content)
        if begun is not None:
            begun.result()


def _as_table(content: bytes, found: _Csv, schema: "pa.Schema", key: bytes) -> "pa.Table":
    """Some of the rows as rows of the table; annotators under their pseudonyms."""
    import pyarrow as pa
    from pyarrow import csv

    read = csv.read_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=found.names),
        parse_options=csv.ParseOptions(newlines_in_values=True, escape_char=found.escape),
        convert_options=csv.ConvertOptions(
            column_types={f.name: pa.string() if pa.types.is_nested(f.type) else f.type for f in schema},
            # Postgres writes nothing for null, and an empty text in quotes.
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    columns = [_as_column(read[field.name].combine_chunks(), field, key) for field in schema]
    return pa.table(columns, schema=schema)


def _as_column(found: "pa.Array", field: "pa.Field", key: bytes) -> "pa.Array":
    """Texts of JSON as maps, by key, or lists; annotators' ids as their pseudonyms; all else as it is."""
    import pyarrow as pa

    def each_once(convert: Callable[[str], Any]) -> "pa.Array":
        coded = found.dictionary_encode()
        return pa.array([convert(text) for text in coded.dictionary.to_pylist()], field.type).take(coded.indices)

    if pa.types.is_map(field.type):
        return each_once(lambda text: sorted(json.loads(text).items()))
    if pa.types.is_list(field.type):
        return each_once(json.loads)
    if field.name == "annotator":
        return each_once(lambda name: pseudonym(name, key))
    return found


def _clip_schema() -> "pa.Schema":
    """The label, then where the clip comes from, its measures, and where it lies."""
    import pyarrow as pa

    own = [
        *((name, pa.string()) for name in ("split", "source_id", "url", "title", "speaker_group", "licence")),
        *((name, pa.float64()) for name in ("start_s", "end_s", "duration_s", "peak_dbfs", "rms_dbfs")),
        *((name, pa.float64()) for name in ("loudness_lufs", "loudness_range_lu", "true_peak_dbtp", "gain_db")),
        *((name, pa.float64()) for name in ("clipped_share", "speech_share", "longest_pause_s", "snr_db")),
        *((name, pa.int32()) for name in ("sample_rate_hz", "bandwidth_hz", "n_channels")),
        ("dc_offset", pa.float64()),
        ("has_distinct_channels", pa.bool_()),
        ("audio_sha256", pa.string()),
        ("shard_path", pa.string()),
        *((name, pa.int64()) for name in ("position", "flac_offset_bytes", "flac_bytes")),
        *((name, pa.int64()) for name in ("json_offset_bytes", "json_bytes")),
    ]
    return pa.schema([*labels.label_schema(), *(pa.field(name, kind) for name, kind in own)])


def _link_schema() -> "pa.Schema":
    """As the clip table, without what is of the audio or its place in a shard."""
    import pyarrow as pa

    left_out = {"audio_sha256", "shard_path", "position", "sample_rate_hz", "peak_dbfs", "rms_dbfs"}
    is_place = ("flac_", "json_")
    return pa.schema([f for f in _clip_schema() if f.name not in left_out and not f.name.startswith(is_place)])


def _vote_schema() -> "pa.Schema":
    import pyarrow as pa

    texts = pa.list_(pa.string())
    return pa.schema(
        [
            ("clip_id", pa.string()),
            ("annotator", pa.string()),
            ("submitted_at", pa.timestamp("us", tz="UTC")),
            ("time_spent_s", pa.float64()),
            ("emotions", texts),
            ("arousal", pa.int32()),
            ("valence", pa.int32()),
            ("perceived_age_group", pa.string()),
            ("perceived_gender", pa.string()),
            ("perceived_accent", pa.string()),
            ("audio_quality", pa.string()),
            ("background_sounds", texts),
            ("transcription", pa.string()),
            ("language", pa.string()),
            ("vocabulary_version", pa.string()),
        ]
    )
