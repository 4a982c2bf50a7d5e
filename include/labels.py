"""Votes → labels: what all annotators together say of a clip.

The arithmetic is in `tally.py`, run for the clips whose votes changed, or for all; transcriptions are voted on word by
word in `transcripts.py`. docs/labels.md gives the formulas.
"""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import binary_copy, catalog, column_blocks, columns, raters, signals, tally, vocabulary

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

log = logging.getLogger(__name__)

# One report of such a kind keeps a clip from release until a person has looked; of the others it takes two.
GRAVE_REPORTS = ["sexual", "hate_speech", "personal_data"]

# What makes labels waits while the server takes them in, and the server waits for it.
MAKERS = 3

VOTE_COLUMNS = ("emotion_votes", "word_votes", "emotion_soft")


def renew(connection: "Connection[catalog.Row]", clip_table: str) -> int:
    """Compute labels again for the clips in `clip_table` (column `clip_id`); how many labels were written."""
    from psycopg import sql

    words = tally.Words.of(catalog.rows(connection, "select_vocabulary"))
    connection.execute("drop table if exists clip_to_label")
    connection.execute(
        sql.SQL(catalog.statement("create_clip_to_label")).format(clips=sql.Identifier(clip_table)),
        {"clips_at_once": columns.CLIPS_AT_ONCE},
    )
    connection.execute("analyze clip_to_label")
    catalog.run(connection, "delete_labels")
    held = _held(connection, is_all=False)
    batches = connection.execute("select distinct batch from clip_to_label order by batch").fetchall()
    n_labels = 0
    # While the server is at a batch's votes or labels, those of the one before or after are counted.
    with ThreadPoolExecutor(1) as pool:
        made: list[Future[memoryview]] = []
        for row in batches:
            said = columns.read_clips(connection, "clip_to_label", [row["batch"]])
            if len(said):
                made.append(pool.submit(_labels_of(connection, said, words, held), 0))
                n_labels += len(said.clip_ids)
            if len(made) == 2:
                _copy_in(connection, "label", [made.pop(0).result()])
        _copy_in(connection, "label", [rows.result() for rows in made])
    return n_labels


def _renew_from(connection: "Connection[catalog.Row]", said: columns.Annotations) -> int:
    """Compute every label again from all annotations there are; how many.

    They are made in a table of their own, by transactions of their own: one connection takes in half of what the
    machine can make. Those in use can be read until this transaction ends and has put the new ones in their place.
    """
    words = tally.Words.of(catalog.rows(connection, "select_vocabulary"))
    held = _held(connection, is_all=True)
    with catalog.connect() as beside:
        beside.execute("drop table if exists catalog.label_anew")  # of a relabel that was killed
        beside.execute("create table catalog.label_anew (like catalog.label including all)")
    n_clips = len(said.clip_ids)
    label = _labels_of(connection, said, words, held)
    firsts = iter(range(0, n_clips, columns.CLIPS_AT_ONCE))

    def make() -> None:
        with catalog.connect() as beside:
            _copy_in(beside, "label_anew", map(label, firsts))

    with ThreadPoolExecutor(MAKERS) as pool:
        for made in [pool.submit(make) for _ in range(MAKERS)]:
            made.result()
    connection.execute("drop table catalog.label_part")
    connection.execute("alter table catalog.label_anew rename to label_part")
    connection.execute("alter table catalog.label attach partition catalog.label_part"
                       " for values from (minvalue) to (maxvalue)")  # fmt: skip
    connection.execute("insert into catalog.coverage_change (kind) values ('everything')")
    return n_clips


def _held(connection: "Connection[catalog.Row]", *, is_all: bool) -> set[str]:
    if is_all:
        connection.execute("create temporary table if not exists clip_to_label (clip_id text) on commit drop")
    found = catalog.rows(connection, "select_held_clips", is_all=is_all, grave_reports=GRAVE_REPORTS)
    return {row["clip_id"] for row in found}


def _labels_of(
    connection: "Connection[catalog.Row]", said: columns.Annotations, words: tally.Words, held: set[str]
) -> Callable[[int], memoryview]:
    """What makes the labels of the clips of annotations, CLIPS_AT_ONCE of them from a first one on, as COPY takes them.

    It does without the connection.
    """
    import numpy as np

    annotator_ids = said.annotator_ids.to_pylist()
    found = catalog.rows(connection, "select_annotator_weights", annotator_ids=annotator_ids)
    weights = tally.Weights.of(found, annotator_ids)
    n_clips, version, names = len(said.clip_ids), vocabulary.load()[0], _copied_columns()
    starts = np.append(0, np.cumsum(np.bincount(said.clip[said.current], minlength=n_clips)))

    def label(first: int) -> memoryview:
        n = min(columns.CLIPS_AT_ONCE, n_clips - first)
        begin, end = starts[first], starts[first + n]
        rows = said.current[begin:end]
        counted = said[rows[~weights.is_blocked[said.annotator[rows]]]]
        made = tally.labels(counted, first, n, weights, words, held, version)
        return binary_copy.rows(made.select(names))

    return label


def _copy_in(connection: "Connection[catalog.Row]", table: str, made: Iterable[memoryview]) -> None:
    """Write labels to a table of the catalog."""
    from psycopg import sql

    into = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        sql.Identifier("catalog", table), sql.SQL(", ").join(map(sql.Identifier, _copied_columns()))
    )
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        copy.write(binary_copy.HEADER)
        for rows in made:
            copy.write(rows)
        copy.write(binary_copy.TRAILER)


def _copied_columns() -> list[str]:
    """A label's columns as COPY gets them: those of one width side by side, which then are put into rows together."""
    import pyarrow as pa

    return [field.name for field in sorted(label_schema(), key=lambda field: not pa.types.is_primitive(field.type))]


def renew_all() -> int:
    """Renew every annotator's weight and every label, which show at once; how many labels there are."""
    with catalog.connect() as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        vocabulary.save(connection)
        said = column_blocks.read_all(connection, partial(_judge_all, connection))
        connection.execute("update catalog.annotator set is_counted = (state <> 'blocked')")
        n_labels = _renew_from(connection, said)
    log.info("%d labels renewed", n_labels)
    return n_labels


def _judge_all(connection: "Connection[catalog.Row]", parts: list[dict[str, Any]]) -> columns.Annotations:
    """Renew every annotator's weight from all annotations, in parts; these joined."""
    said = columns.join(parts, signals.TEXTS)
    with ThreadPoolExecutor(1) as pool:
        # Judging begins with sorts, for which the interpreter is free, and needs this a second later.
        pool.submit(import_module, "scipy.sparse")
        # What only labels need is joined while annotators are judged, which takes one core.
        further = pool.submit(columns.join_texts, parts, [name for name in columns.TEXTS if name not in said.said])
        raters.renew_all(connection, said)
        said.said.update(further.result())
    return said


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
