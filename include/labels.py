"""Votes → labels: what all annotators together say of a clip.

The arithmetic is `sql/renew_labels.sql`, run for the clips whose votes changed, or for all; transcriptions are
voted on word by word in `transcripts.py`. docs/labels.md gives the formulas.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from include import catalog, raters, transcripts, vocabulary

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

log = logging.getLogger(__name__)

# One report of such a kind keeps a clip from release until a person has looked; of the others it takes two.
GRAVE_REPORTS = ["sexual", "hate_speech", "personal_data"]

VOTE_COLUMNS = ("emotion_votes", "word_votes", "emotion_soft")


def renew(connection: "Connection[catalog.Row]", clip_table: str | None = None) -> int:
    """Compute labels again for the clips in `clip_table` (column `clip_id`), or for every annotated clip.

    Returns how many labels were written.
    """
    from psycopg import sql

    connection.execute("create temporary table if not exists clip_to_label (clip_id text primary key) on commit drop")
    connection.execute("truncate clip_to_label")
    chosen = sql.Identifier(clip_table) if clip_table else sql.Identifier("catalog", "annotation")
    connection.execute(sql.SQL("insert into clip_to_label select distinct clip_id from {}").format(chosen))
    connection.execute("analyze clip_to_label")
    n_labels = catalog.run(
        connection, "renew_labels", grave_reports=GRAVE_REPORTS, vocabulary_version=vocabulary.load()[0]
    )
    transcripts.renew(connection)
    return n_labels


def renew_all() -> int:
    """Renew every annotator's weight and every label, in one transaction; how many labels there are."""
    with catalog.connect() as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        vocabulary.save(connection)
        raters.renew(connection)
        connection.execute("update catalog.annotator set is_counted = (state <> 'blocked')")
        n_labels = renew(connection)
    log.info("%d labels renewed", n_labels)
    return n_labels


def decide(clip_id: str, is_held: bool, reason: str) -> bool:
    """Hold a clip from release, or let it go despite its reports so far; whether the clip has a label."""
    with catalog.connect() as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        decided = catalog.run(connection, "upsert_hold_decision", clip_id=clip_id, is_held=is_held, reason=reason)
        if decided:
            connection.execute(
                "create temporary table decided_clip on commit drop as select %s::text as clip_id", [clip_id]
            )
            renew(connection, "decided_clip")
    return decided > 0


def export(path: Path) -> int:
    """Write the label table to a Parquet file, a row a clip, by clip id; how many rows.

    Votes are maps of name to number (of weight, in `emotion_soft`).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = label_schema()
    n_rows = 0
    with (
        catalog.connect() as connection,
        pq.ParquetWriter(path, schema) as writer,
        connection.cursor("labels") as cursor,
    ):
        cursor.execute(catalog.statement("select_labels"))
        while found := cursor.fetchmany(10_000):
            writer.write_table(pa.Table.from_pylist([as_parquet(row) for row in found], schema=schema))
            n_rows += len(found)
    return n_rows


def as_parquet(row: catalog.Row) -> catalog.Row:
    """A row whose maps are lists of pairs, sorted by name, as Arrow's map type takes them."""
    return {**row, **{name: sorted(row[name].items()) for name in VOTE_COLUMNS}}


def label_schema() -> "pa.Schema":
    """Arrow schema of a label: the columns of catalog.label."""
    import pyarrow as pa

    votes, texts = pa.map_(pa.string(), pa.int32()), pa.list_(pa.string())
    number = {"mean": pa.float64(), "weighted": pa.float64(), "std": pa.float64(), "n": pa.int32()}
    perceived = [
        field
        for name in ("age_group", "gender", "accent")
        for field in ((f"perceived_{name}", pa.string()), (f"perceived_{name}_share", pa.float64()))
    ]
    return pa.schema(
        [
            ("clip_id", pa.string()),
            ("n_raters", pa.int32()),
            ("emotion_votes", votes),
            ("word_votes", votes),
            ("emotion_soft", pa.map_(pa.string(), pa.float64())),
            ("emotion_hard", texts),
            ("emotion_plurality", texts),
            ("has_agreement", pa.bool_()),
            *((f"arousal_{name}", kind) for name, kind in number.items()),
            *((f"valence_{name}", kind) for name, kind in number.items()),
            *perceived,
            ("audio_quality", pa.string()),
            ("background_sounds", texts),
            ("transcription", pa.string()),
            ("language", pa.string()),
            ("audio_description", pa.string()),
            ("video_description", pa.string()),
            ("is_held", pa.bool_()),
            ("vocabulary_version", pa.string()),
            ("emotion_consensus", texts),
            ("emotion_agreement", pa.float64()),
        ]
    )
