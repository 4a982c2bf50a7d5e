"""What a release will say, taken out of the catalog in one statement: a row for each clip, before it has a place.

A sample is made once and kept: one is made anew where a version of a row that it was made of has changed.
"""

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from include import card, catalog, settings, vocabulary

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)


def take(connection: "Connection[catalog.Row]", version: str, parent: str | None) -> dict[str, Any]:
    """Begin a release anew and take its rows into table `frozen`; `n_clips`, `duration_s`, `content_sha256`."""
    current = settings.current()
    vocabulary.save(connection)
    connection.execute("delete from catalog.release where version = %s", [version])
    base = {"version": version, "parent": parent, "vocabulary_version": vocabulary.load()[0]}
    catalog.run(connection, "insert_release", **base)
    form = sample_form(connection)
    licences = [r["licence"] for r in connection.execute("select distinct licence from catalog.source")]
    # Three workers join in shared memory, twice this each: a container has 64 MB of that by default.
    connection.execute("set local work_mem = '8MB'")
    # The planner takes a sample for as cheap to make as a sum, and so would leave them all to one worker.
    connection.execute("set local parallel_tuple_cost = 0")
    catalog.create(
        connection,
        "freeze_release_clips",
        min_raters=current.min_raters,
        min_people=card.MIN_GROUPS,
        linked_licences=[licence for licence in licences if current.licence_use(licence) == "links"],
        withheld_licences=[licence for licence in licences if current.licence_use(licence) == "nothing"],
        form=form,
    )
    # A million rows are sorted and joined after this, by one publisher at a time, in memory of its own.
    connection.execute("set local work_mem = '128MB'")
    connection.execute("set local enable_parallel_hash = off")
    # Without figures on new rows the planner joins a million of them in nested loops.
    connection.execute("analyze frozen (clip_id, split, is_link)")
    n_made = catalog.run(connection, "insert_samples")
    catalog.run(connection, "upsert_sample_stamps", form=form)
    log.info("release %s: %d samples are new", version, n_made)
    figures = catalog.row(connection, "sum_release", version=version) or {}
    if n_made > figures["n_clips"] / 10:
        connection.execute("analyze catalog.sample, catalog.sample_stamp")
    return figures


def sample_form(connection: "Connection[catalog.Row]") -> int:
    """A number for all that a sample hangs on beside its clip: it changes with the statement that makes it."""
    found = catalog.row(connection, "select_sample_form") or {}
    said = f"{found['form']} {catalog.statement('freeze_release_clips')}"
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "big", signed=True)
