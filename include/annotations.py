"""The merge of annotation files into the catalog, and of the inbox.

A row is never changed: what an annotator says later of the same clip supersedes what they said before. The same
row sent any number of times is one row, so a file may be merged again after a crash.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Literal

from include import catalog, column_blocks, ids, labels, raters, readers, store, vocabulary
from include.contract import COLUMNS, CUT_SHORT, Accepted, Annotation, Rejected

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

INBOX = "inbox/annotations"
BATCH_ROWS = 10_000
MAX_REASONS = 1_000
# A file whose last row is cut off is still being written, unless nobody has written to it for so long.
SETTLED_AFTER = timedelta(minutes=10)


class Unfinished(Exception):
    """A file ends in the midst of a row."""


@dataclass
class FileResult:
    """What becomes of a file's rows: counts by outcome, and the first of the refused rows."""

    file: str
    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)


@dataclass
class Batch:
    """Rows that are merged at once.

    Accepted ones are tuples of plain values by then: the garbage collector passes these over, where ten thousand
    models took it as long as half the contract (https://docs.python.org/3/library/gc.html#gc.is_tracked).
    """

    accepted: list[tuple[object, ...]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    places: dict[str, Annotation] = field(default_factory=dict)  # of clips that are named by address and times

    def __len__(self) -> int:
        return len(self.accepted) + len(self.rejected)

    def add(self, row: Accepted | Rejected, file: str) -> None:
        """Take in one row of a file."""
        if isinstance(row, Rejected):
            self.rejected.append(row)
            return
        self.accepted.append(row.record(file))
        if row.annotation.url is not None:
            self.places[row.annotation.clip_id] = row.annotation


def check_file(path: Path, form: str = "auto", valence_scale: str | None = None) -> FileResult:
    """What merge_file() would do with a file: the same counts, and why rows are refused. Changes nothing."""
    with path.open("rb") as stream:
        return _merge(stream, path.name, form, valence_scale, is_trial=True)


def merge_file(path: Path, form: str = "auto", valence_scale: str | None = None) -> FileResult:
    """Merge a file of this machine, as merge_stream() does; with the reasons of its refused rows."""
    with path.open("rb") as stream:
        return _merge(stream, path.name, form, valence_scale)


def merge_stream(
    stream: IO[bytes], file: str, form: str = "auto", valence_scale: str | None = None, must_be_whole: bool = False
) -> dict[str, int]:
    """Merge one file's rows into the catalog and renew the labels of the clips they speak of; one transaction.

    Returns counts: `accepted` (new rows), `repeated` (known ones), `rejected`; of the accepted, `waiting` for a
    clip that is not known yet, `superseded` by a later row of the same annotator, and `flagged` for what looks
    personal in a text; `candidates` made of clips named by address and times; `labels` renewed. Raises Unfinished,
    and changes nothing, if the file `must_be_whole` and ends in the midst of a row. Form and scale: readers.read().
    """
    return dict(_merge(stream, file, form, valence_scale, must_be_whole=must_be_whole).counts)


def _merge(
    stream: IO[bytes],
    file: str,
    form: str,
    valence_scale: str | None,
    *,
    must_be_whole: bool = False,
    is_trial: bool = False,
) -> FileResult:
    """Merge a file. A trial does all of it but the labels, and takes it back."""
    result = FileResult(file, Counter(accepted=0, repeated=0, rejected=0))
    with catalog.connect() as connection:
        # Two merges at once would each miss the other's votes in a label of both.
        connection.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        vocabulary.save(connection)
        connection.execute(catalog.statement("create_annotation_staging"))
        # While the server takes in a batch, the next is read and checked.
        with ThreadPoolExecutor(1) as merging:
            merged = merging.submit(_merge_batch, connection, Batch(), result)
            for batch in _batches(readers.read(stream, file, form, valence_scale), file):
                if must_be_whole and any(CUT_SHORT in row.reason for row in batch.rejected):
                    raise Unfinished(file)
                merged.result()
                merged = merging.submit(_merge_batch, connection, batch, result)
            if not is_trial:
                _load_arrow()  # while the server takes in the last rows
            merged.result()
        counts = result.counts
        counts["candidates"] += catalog.run(connection, "merge_staged_candidates")
        connection.execute("analyze merged_annotation (clip_id)")
        state = catalog.row(connection, "count_merged_rows") or {}
        counts.update(state)
        if is_trial:
            connection.rollback()
        else:
            if counts["accepted"] >= BATCH_ROWS:
                # Or the planner takes the tables for as small as they were, and loops over what is now large.
                connection.execute("analyze touched_clip, fresh_annotator")
                if catalog.row(connection, "select_outgrown_statistics", n_new=counts["accepted"]):
                    connection.execute("analyze catalog.annotation")
            column_blocks.keep(connection, "merged_annotation")
            raters.renew(connection, "fresh_annotator")
            catalog.run(connection, "touch_recounted_clips")
            counts["labels"] = labels.renew(connection, "touched_clip")
    lasting = ("accepted", "repeated", "rejected", *(() if is_trial else ("labels",)))
    result.counts = Counter({name: n for name, n in counts.items() if n or name in lasting})
    return result


def _load_arrow() -> None:
    """Import what labels are made with, and what pyarrow imports at its first array: pandas."""
    import pyarrow as pa
    import pyarrow.compute

    pa.array([0])


def _merge_batch(connection: "Connection[catalog.Row]", batch: Batch, result: FileResult) -> None:
    n_new = _insert(connection, "annotation", COLUMNS, batch.accepted)
    rejected = [row.record(result.file) for row in batch.rejected]
    _insert(connection, "reject", ["reject_id", "raw", "reason", "file", "line"], rejected)
    catalog.copy_in(
        connection,
        "staged_candidate",
        ["clip_id", "source_id", "url", "start_ms", "end_ms"],
        (
            (clip_id, ids.source_id(said.url), said.url, round(said.start_s * 1000), round(said.end_s * 1000))
            for clip_id, said in batch.places.items()
            if said.url is not None and said.start_s is not None and said.end_s is not None
        ),
    )
    result.rejected += batch.rejected[: MAX_REASONS - len(result.rejected)]
    result.counts["accepted"] += n_new
    result.counts["repeated"] += len(batch.accepted) - n_new
    result.counts["rejected"] += len(batch.rejected)
    log.info("%s: %s", result.file, dict(result.counts))


def _batches(rows: Iterable[Accepted | Rejected], file: str) -> Iterator[Batch]:
    batch = Batch()
    for row in rows:
        batch.add(row, file)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = Batch()
    if len(batch):
        yield batch


def _insert(
    connection: "Connection[catalog.Row]",
    kind: Literal["annotation", "reject"],
    columns: list[str],
    records: Sequence[Sequence[object]],
) -> int:
    """COPY records into their staging table and from there into the catalog; how many were new."""
    from psycopg import sql

    if not records:
        return 0
    staged = f"staged_{kind}"
    connection.execute(sql.SQL("truncate {}").format(sql.Identifier(staged)))
    catalog.copy_in(connection, staged, columns, records)
    return catalog.run(connection, f"merge_staged_{kind}s")


def plan_merges(
    limit: int | None = None, dry_run: bool = False, valence_scale: str | None = None
) -> list[dict[str, Any]]:
    """Arguments of merge_inbox_file() for the files that wait in the inbox, by name; at most 1,000 of them."""
    waiting = [
        path
        for path in store.paths_below(INBOX)
        if PurePosixPath(path).parent == PurePosixPath(INBOX) and readers.is_readable(path)
    ]
    log.info("%d files wait in %s", len(waiting), store.url(INBOX))
    batch = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return [
        {"path": path, "batch": batch, "dry_run": dry_run, "valence_scale": valence_scale}
        for path in waiting[: limit or 1000]
    ]


def merge_inbox_file(path: str, batch: str, dry_run: bool = False, valence_scale: str | None = None) -> dict[str, int]:
    """Merge one file of the inbox, then move it to `inbox/merged/<batch>/`.

    A file without a single acceptable row goes to `inbox/rejected/<batch>/`. Returns merge_stream()'s counts and
    `files`. A file that another run moves meanwhile counts as nothing; one that is still being written stays, as
    `unfinished`. With `dry_run` it is only said what would become of the rows.
    """
    name = PurePosixPath(path).name
    try:
        size_bytes = store.size_bytes(path)
        may_be_growing = datetime.now(UTC) - store.modified_at(path) < SETTLED_AFTER
        stream = store.open_read(path)
    except FileNotFoundError:
        log.info("%s: another run was faster", path)
        return {}
    with stream:
        if dry_run:
            return dict(_merge(stream, name, "auto", valence_scale, is_trial=True).counts)
        try:
            if may_be_growing and readers.ends_within_a_row(stream, name):
                raise Unfinished(path)
            counts = merge_stream(stream, name, "auto", valence_scale, must_be_whole=may_be_growing)
        except Unfinished:
            log.warning("%s ends in the midst of a row: it is taken once it is whole", path)
            return {"unfinished": 1}
    outcome = "merged" if counts["accepted"] or counts["repeated"] or not counts["rejected"] else "rejected"
    try:
        if store.size_bytes(path) != size_bytes:
            log.warning("%s grew while it was merged: the rest is taken by the next run", path)
            return {**counts, "unfinished": 1}
        store.move(path, f"inbox/{outcome}/{batch}/{name}")
    except FileNotFoundError:
        log.info("%s: another run merged and moved it meanwhile", path)
        return {}
    log.info("%s: %s, moved to inbox/%s/%s/", path, counts, outcome, batch)
    return {**counts, "files": 1}
