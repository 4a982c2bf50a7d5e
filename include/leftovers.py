"""What killed workers leave in the store, and its removal.

A worker notes which audio it is about to store, in a transaction of its own, and takes the note away in the one that
makes the clips. It holds its source's row all the while: a note whose source nobody holds is a dead worker's. So what
is left behind is found without listing the store, and a worker at work is never robbed.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from include import catalog, store

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)


def begin(source_id: str, audio_sha256s: Sequence[str]) -> None:
    """Note, before it is done, that a source's audio is being stored. The caller holds the source."""
    with catalog.connect() as connection:
        catalog.run(connection, "insert_begun_audio", source_id=source_id, audio_sha256s=list(audio_sha256s))


def finish(connection: "Connection[catalog.Row]", source_id: str) -> None:
    """Take the notes on what clips name by now away, in the transaction in which they do."""
    catalog.run(connection, "delete_begun_audio", source_id=source_id)


def clear() -> int:
    """Remove from the store what workers stored, or half stored, and no clip names; how many objects."""
    with catalog.connect() as connection:
        sources = catalog.rows(connection, "select_begun_sources")
    n_removed = sum(_clear_source(row["source_id"]) for row in sources)
    if n_removed:
        log.warning("%d objects of killed workers removed from the store", n_removed)
    return n_removed


def _clear_source(source_id: str) -> int:
    """Remove what is left of one source's audio, unless a worker holds the source."""
    with catalog.connect() as connection:
        if catalog.row(connection, "lock_source", source_id=source_id) is None:
            return 0
        begun = [row["audio_sha256"] for row in catalog.rows(connection, "lock_begun_audio", source_id=source_id)]
        unnamed = catalog.rows(connection, "select_unnamed_audio", audio_sha256s=begun)
        n_removed = sum(store.delete_audio(row["audio_sha256"]) for row in unnamed)
        catalog.run(connection, "forget_begun_audio", source_id=source_id, audio_sha256s=begun)
    return n_removed
