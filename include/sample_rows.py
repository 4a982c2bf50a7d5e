"""What tables and data card say of samples, taken out of their JSON once and kept beside them.

Nothing stands there that the samples don't say: it may be deleted, and is taken anew.
"""

import hashlib
import logging
from typing import TYPE_CHECKING

from include import catalog

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)


def take(connection: "Connection[catalog.Row]", version: str) -> int:
    """Take the fields of those samples of a release of which they have not been taken; how many these were."""
    statement = catalog.statement("insert_sample_rows")
    # What another version of the statement took is not what this one would.
    form = int.from_bytes(hashlib.sha256(statement.encode()).digest()[:8], "big", signed=True)
    n_taken = catalog.run(connection, "insert_sample_rows", version=version, form=form)
    log.info("release %s: fields of %d samples taken", version, n_taken)
    return n_taken
