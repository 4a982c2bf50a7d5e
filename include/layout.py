"""Which clip lies in which shard: from release to release each keeps its place, and new ones fill the tail.

What is unchanged is then the parent's shard, byte for byte, and is shared instead of written.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from include import catalog, settings, store

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

# Two tar headers, the JSON and their padding: what a sample takes beside its audio.
OVERHEAD_BYTES = 4096


def place(connection: "Connection[catalog.Row]", version: str, parent: str | None, *, is_compact: bool) -> None:
    """Put each clip of table `frozen` into its shard and place; all from the beginning if `is_compact`."""
    current = settings.current()
    base = {"version": version, "parent": parent, "is_compact": is_compact}
    limits = {"shard_samples": current.shard_samples, "shard_bytes": current.shard_bytes}
    catalog.run(connection, "set_shard_capacity", **base, **limits, overhead_bytes=OVERHEAD_BYTES)
    catalog.run(connection, "insert_release_clips", **base)
    connection.execute("analyze catalog.release_clip (version, clip_id, split, shard, position)")


def has_moved(connection: "Connection[catalog.Row]", version: str, parent: str | None) -> bool:
    """Whether a clip lies elsewhere than in the parent."""
    return catalog.row(connection, "select_moved_clip", version=version, parent=parent) is not None


def reuse(connection: "Connection[catalog.Row]", version: str, split: str, shard: int, target: str) -> Any:
    """Share the parent's shard as `target`, if it is the same; its row, or None if the shard must be written.

    A shard that is no longer the bytes that were published is not taken over: writing it anew mends it.
    """
    found = catalog.row(connection, "select_reusable_shard", version=version, split=split, shard=shard)
    if found is None:
        return None
    path = f"releases/{found['version']}/{found['path']}"
    try:
        sha256 = store.sha256(path)
    except FileNotFoundError:
        log.warning("%s is missing: written anew for release %s", path, version)
        return None
    if sha256 != found["sha256"]:
        log.warning("%s is damaged, its SHA-256 is %s: written anew for release %s", path, sha256, version)
        return None
    store.share(path, target)
    catalog.run(
        connection, "copy_member_places", version=version, parent=found["version"], split=split, shard=shard
    )  # fmt: skip
    return found


def even_readers(n_shards: int) -> list[int]:
    """Numbers of readers (ranks × workers) over which so many equal shards divide evenly."""
    return [n for n in range(1, n_shards + 1) if n_shards % n == 0]


def advice(built: Sequence[catalog.Row], capacity: int) -> dict[str, Any]:
    """A split's full shards and its shorter ones apart, and the numbers of readers that the full ones suit."""
    full = [shard["path"] for shard in built if shard["n_samples"] == capacity]
    return {
        "samples_per_full_shard": capacity,
        "full_shards": full,
        "tail_shards": [shard["path"] for shard in built if shard["n_samples"] != capacity],
        "full_shards_divide_over": even_readers(len(full)),
    }
