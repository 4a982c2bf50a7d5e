"""The tables beside a release's shards: clips, votes, what was removed, what changed."""

import hashlib
import hmac
import json
import logging
import secrets
from typing import TYPE_CHECKING, Any

from include import catalog, labels, settings, store

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

log = logging.getLogger(__name__)

BATCH_ROWS = 10_000


def write(version: str, root: str) -> list[str]:
    """Write the tables of a built release below `root` in the store; their paths."""
    tables: dict[str, tuple[str, pa.Schema]] = {
        "clips.parquet": ("select_release_clips", _clip_schema()),
        "votes.parquet": ("select_release_votes", _vote_schema()),
        "links.parquet": ("select_release_links", _link_schema()),
    }
    with catalog.connect() as connection:
        connection.execute("set local work_mem = '128MB'")
        release = connection.execute("select parent from catalog.release where version = %s", [version]).fetchone()
        changed = changes(connection, version, release["parent"] if release else None)
        store.write_bytes(f"{root}/changes.json", json.dumps(changed, indent=1).encode())
        _write_removed(connection, version, f"{root}/removed.jsonl")
        key = pseudonym_key(connection)
        for name, (statement, schema) in tables.items():
            _write_parquet(connection, statement, version, f"{root}/{name}", schema, key)
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


def _write_parquet(
    connection: "Connection[catalog.Row]", statement: str, version: str, path: str, schema: "pa.Schema", key: bytes
) -> None:
    """Stream a statement's JSON objects into a Parquet file; memory does not grow with their number.

    Arrow reads the objects itself: a Python object for each value would take five times as long.
    """
    import pyarrow.parquet as pq

    with (
        store.open_atomic(path) as stream,
        pq.ParquetWriter(stream, schema) as writer,
        connection.cursor("release_rows") as cursor,
    ):
        cursor.execute(catalog.statement(statement), {"version": version})
        while found := cursor.fetchmany(BATCH_ROWS):
            writer.write_table(_as_table([row["record"] for row in found], schema, key))


def _as_table(records: list[str], schema: "pa.Schema", key: bytes) -> "pa.Table":
    """JSON objects as a table of this schema; annotators under their pseudonyms."""
    import pyarrow as pa
    import pyarrow.json as pj

    def pairs(kind: "pa.DataType") -> "pa.DataType":
        if not pa.types.is_map(kind):
            return kind
        return pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))

    content = "\n".join(records).encode()
    read = pj.read_json(
        pa.BufferReader(content),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(content) + 1),
        parse_options=pj.ParseOptions(
            explicit_schema=pa.schema([field.with_type(pairs(field.type)) for field in schema]),
            unexpected_field_behavior="ignore",
        ),
    )
    columns = [_as_column(read[field.name].combine_chunks(), field, key) for field in schema]
    return pa.table(columns, schema=schema)


def _as_column(found: "pa.Array", field: "pa.Field", key: bytes) -> "pa.Array":
    """Pairs as a map, annotators' ids as their pseudonyms, all else as it is."""
    import pyarrow as pa

    if pa.types.is_map(field.type):
        entries = found.values
        return pa.MapArray.from_arrays(found.offsets, entries.field("key"), entries.field("value"))
    if field.name == "annotator":
        coded = found.dictionary_encode()
        names = pa.array([pseudonym(name, key) for name in coded.dictionary.to_pylist()], pa.string())
        return names.take(coded.indices)
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
