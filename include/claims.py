"""Who makes a version: of publishers on one store, but on catalogs of their own, only one may write its files.

The manifest alone would not do: it is written last, and by then the other's shards might lie under the same names.
"""

from typing import TYPE_CHECKING

from include import catalog, store

if TYPE_CHECKING:
    from psycopg import Connection


class Claimed(Exception):
    """Another publisher makes the version, or has made it; the message says which it is."""


def _path(version: str) -> str:
    # Not in the release's own folder, which holds what its manifest lists and nothing else.
    return f"releases/claims/{version}"


def take(connection: "Connection[catalog.Row]", version: str) -> None:
    """Claim a version for this catalog; a publisher that was killed finds its claim again. Raises Claimed."""
    mine = _identity(connection)
    try:
        store.write_if(_path(version), mine, None)
    except store.Conflict:
        if store.read_tagged(_path(version))[0] != mine:
            raise Claimed(
                f"another publisher, on another catalog, makes release {version}; if it is gone for good, delete"
                f" {store.url(_path(version))}"
            ) from None
    if store.exists(f"releases/{version}/manifest.json"):
        # The other one ended, and let its claim go, since this one looked for a manifest.
        drop(version)
        raise Claimed(f"another publisher wrote release {version} first")


def _identity(connection: "Connection[catalog.Row]") -> bytes:
    found = catalog.row(connection, "select_catalog_identity") or {}
    return str(found["identity"]).encode()


def held(connection: "Connection[catalog.Row]") -> list[str]:
    """Versions that this catalog has claimed and not let go."""
    mine = _identity(connection)
    paths = store.paths_below("releases/claims")
    return [path.rpartition("/")[2] for path in paths if store.read_tagged(path)[0] == mine]


def drop(version: str) -> None:
    """Let a version go: it has a manifest, which nobody replaces."""
    store.delete(_path(version))
