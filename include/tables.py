"""The tables beside a release's shards: clips, votes, what was removed, what changed."""

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from include import catalog, labels, settings, store

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from psycopg import Connection

log = logging.getLogger(__name__)

BATCH_ROWS = 10_000
PLACE = ("shard_path", "position", "flac_offset_bytes", "flac_bytes", "json_offset_bytes", "json_bytes")


@dataclass(frozen=True)
class _Table:
    """What a table is made of: a statement of JSON objects, its columns, and which of them are not in `sample`."""

    statement: str
    schema: "pa.Schema"
    beside_sample: tuple[str, ...] = ()


def write(version: str, root: str) -> list[str]:
    """Write the tables of a built release below `root` in the store; their paths."""
    votes = _vote_schema()
    tables = {
        "clips.parquet": _Table("select_release_clips", _clip_schema(), PLACE),
        "votes.parquet": _Table("select_release_votes", votes, tuple(votes.names)),
        "links.parquet": _Table("select_release_links", _link_schema()),
    }
    with catalog.connect() as connection:
        # In memory of its own: a container has 64 MB by default of what workers would share.
        connection.execute("set local work_mem = '128MB'")
        connection.execute("set local enable_parallel_hash = off")
        release = connection.execute("select parent from catalog.release where version = %s", [version]).fetchone()
        changed = changes(connection, version, release["parent"] if release else None)
        store.write_bytes(f"{root}/changes.json", json.dumps(changed, indent=1).encode())
        _write_removed(connection, version, f"{root}/removed.jsonl")
        key = pseudonym_key(connection)
        for name, table in tables.items():
            _write_parquet(connection, version, f"{root}/{name}", table, key)
    return [f"{root}/{name}" for name in ("changes.json", "removed.jsonl", *tables)]


def _write_removed(connection: "Connection[catalog.Row]", version: str, path: str) -> None:
    """Write a line for each clip that an earlier release had and this one has not."""
    given = {"version": version, "min_raters": settings.current().min_raters}
    with store.open_atomic(path) as stream, connection.cursor("removed_clips") as cursor:
        cursor.execute(catalog.statement("select_removed_clips"), given)
        for row in cursor:
            stream.write(json.dumps(row).encode() + b"\n")


def changes(connection: "Connection[catalog.Row]", version: str, parent: str | None) -> dict[str, Any]:
    """What a release changed against another: counts and clip ids by kind; fields of each changed clip."""
    found = catalog.rows(connection, "select_release_changes", version=version, parent=parent)
    by_kind = {kind: [row for row in found if row["change"] == kind] for kind in ("added", "changed", "removed")}
    return {
        "parent": parent,
        "counts": {kind: len(rows) for kind, rows in by_kind.items()},
        "added": [row["clip_id"] for row in by_kind["added"]],
        "changed": {row["clip_id"]: row["fields"] for row in by_kind["changed"]},
        "removed": [row["clip_id"] for row in by_kind["removed"]],
    }


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


def _write_parquet(connection: "Connection[catalog.Row]", version: str, path: str, table: "_Table", key: bytes) -> None:
    """Stream a statement's JSON objects into a Parquet file; memory does not grow with their number.

    Arrow reads the objects itself: a Python object for each value would take five times as long. It reads some while
    the server makes the next.
    """
    import pyarrow.parquet as pq

    lines = catalog.copy_out(connection, table.statement, version=version)
    with (
        store.open_atomic(path) as stream,
        pq.ParquetWriter(stream, table.schema) as writer,
        ThreadPoolExecutor(max_workers=1) as reader,
    ):
        begun: Future[None] | None = None
        while found := b"".join(islice(lines, BATCH_ROWS)):
            if begun is not None:
                begun.result()
            begun = reader.submit(_write_rows, writer, found, table, key)
        if begun is not None:
            begun.result()


def _write_rows(writer: "pq.ParquetWriter", content: bytes, table: "_Table", key: bytes) -> None:
    writer.write_table(_as_table(content, table, key))


def _as_table(content: bytes, table: "_Table", key: bytes) -> "pa.Table":
    """JSON objects, a line each, as rows of the table; annotators under their pseudonyms."""
    import pyarrow as pa
    import pyarrow.json as pj

    def is_beside(field: "pa.Field") -> bool:
        return pa.types.is_map(field.type) or field.name in table.beside_sample

    beside = [f.with_type(pa.string()) if pa.types.is_map(f.type) else f for f in table.schema if is_beside(f)]
    of_sample = [field for field in table.schema if not is_beside(field)]
    read = pj.read_json(
        pa.BufferReader(content),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(content) + 1),
        parse_options=pj.ParseOptions(
            explicit_schema=pa.schema([*beside, pa.field("sample", pa.struct(of_sample))]),
            unexpected_field_behavior="ignore",
        ),
    )
    sample = read["sample"].combine_chunks()
    found = {field.name: read[field.name].combine_chunks() for field in beside}
    found |= {field.name: sample.field(field.name) for field in of_sample}
    return pa.table([_as_column(found[field.name], field, key) for field in table.schema], schema=table.schema)


def _as_column(found: "pa.Array", field: "pa.Field", key: bytes) -> "pa.Array":
    """Texts of JSON objects as maps, by key; annotators' ids as their pseudonyms; all else as it is."""
    import pyarrow as pa

    def each_once(convert: Callable[[str], Any]) -> "pa.Array":
        coded = found.dictionary_encode()
        return pa.array([convert(text) for text in coded.dictionary.to_pylist()], field.type).take(coded.indices)

    if pa.types.is_map(field.type):
        return each_once(lambda text: sorted(json.loads(text).items()))
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
