"""The tables beside a release's shards: clips, votes, what was removed, what changed."""

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from include import catalog, labels, settings, store

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

log = logging.getLogger(__name__)

BATCH_ROWS = 10_000


def write(version: str, root: str) -> list[str]:
    """Write the tables of a built release below `root` in the store; their paths."""
    with catalog.connect() as connection:
        release = connection.execute("select parent from catalog.release where version = %s", [version]).fetchone()
        changed = changes(connection, version, release["parent"] if release else None)
        removed = catalog.rows(
            connection, "select_removed_clips", version=version, min_raters=settings.current().min_raters
        )
        store.write_bytes(f"{root}/changes.json", json.dumps(changed, indent=1).encode())
        store.write_bytes(f"{root}/removed.jsonl", b"".join(json.dumps(row).encode() + b"\n" for row in removed))
        key = pseudonym_key(connection)
        _write_parquet(
            connection, "select_release_clips", version, f"{root}/clips.parquet", _clip_schema(), _clip_record
        )
        _write_parquet(
            connection,
            "select_release_votes",
            version,
            f"{root}/votes.parquet",
            _vote_schema(),
            lambda row: {**row, "annotator": pseudonym(row["annotator_id"], key)},
        )
        _write_parquet(
            connection, "select_release_links", version, f"{root}/links.parquet", _link_schema(), _clip_record
        )
    names = ("changes.json", "removed.jsonl", "clips.parquet", "votes.parquet", "links.parquet")
    return [f"{root}/{name}" for name in names]


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
    connection: "Connection[catalog.Row]",
    statement: str,
    version: str,
    path: str,
    schema: "pa.Schema",
    record: Callable[[catalog.Row], catalog.Row],
) -> None:
    """Stream a statement's rows into a Parquet file; memory does not grow with their number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def batches() -> Iterable[pa.Table]:
        with connection.cursor("release_rows") as cursor:
            cursor.execute(catalog.statement(statement), {"version": version})
            while found := cursor.fetchmany(BATCH_ROWS):
                yield pa.Table.from_pylist([record(row) for row in found], schema=schema)

    with store.open_atomic(path) as stream, pq.ParquetWriter(stream, schema) as writer:
        for table in batches():
            writer.write_table(table)


def _clip_record(row: catalog.Row) -> catalog.Row:
    return labels.as_parquet({**row["sample"], **row})


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
