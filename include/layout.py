"""Which clip lies in which shard: from release to release each keeps its place, and new ones fill the tail.

What is unchanged is then the parent's shard, byte for byte, and is shared instead of written.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from include import catalog, settings, shards, store

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

# A split and the number of a shard in it.
Place = tuple[str, int]

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


def reuse(connection: "Connection[catalog.Row]", version: str, planned: Sequence[Place]) -> list[Place]:
    """Share with a release those of its shards that are the parent's, and note them; which they are.

    A shard that is no longer the bytes that were published is not taken over: writing it anew mends it.
    """
    found = catalog.rows(connection, "select_reusable_shards", version=version, **_arrays(planned))
    # What takes the time, hashing and the disk, lets other threads run.
    with ThreadPoolExecutor(max_workers=shards.AT_ONCE) as pool:
        checksums = list(pool.map(lambda shard: _share(version, shard), found))
    shared = [
        {**shard, "xxh3_128": checksum, "version": version, "reused_from": shard["version"]}
        for shard, checksum in zip(found, checksums, strict=True) if checksum is not None
    ]  # fmt: skip
    if not shared:
        return []
    with connection.cursor() as cursor:
        cursor.executemany(catalog.statement("upsert_release_shard"), shared)
    places = [(shard["split"], shard["shard"]) for shard in shared]
    parent = shared[0]["reused_from"]
    catalog.run(connection, "copy_member_places", version=version, parent=parent, **_arrays(places))
    return places


def note_members(
    connection: "Connection[catalog.Row]", version: str, place: Place, members: dict[str, dict[str, shards.Member]]
) -> None:
    """Note where the members of a shard's clips lie, by clip id and kind."""
    split, shard = place
    lies = {
        f"{kind}_{name}": [getattr(sample[kind], field) for sample in members.values()]
        for kind in ("flac", "json")
        for name, field in (("offset_bytes", "offset_bytes"), ("bytes", "size_bytes"))
    }
    clip_ids = list(members)
    catalog.run(
        connection, "update_member_places", version=version, split=split, shard=shard, clip_ids=clip_ids, **lies
    )


def _arrays(places: Sequence[Place]) -> dict[str, list[Any]]:
    """Shards as statements take some at once."""
    return {"splits": [split for split, _ in places], "shards": [shard for _, shard in places]}


def _share(version: str, shard: catalog.Row) -> str | None:
    """Share a shard of the parent with a release, if it is whole: its XXH3-128 then, else None."""
    path = f"releases/{shard['version']}/{shard['path']}"
    try:
        checksum = store.xxh3_128(path)
        # Written before there was the faster one: proved once by the hash that the manifest gives.
        is_whole = checksum == shard["xxh3_128"] if shard["xxh3_128"] else store.sha256(path) == shard["sha256"]
    except FileNotFoundError:
        log.warning("%s is missing: written anew for release %s", path, version)
        return None
    if not is_whole:
        log.warning("%s is damaged, its XXH3-128 is %s: written anew for release %s", path, checksum, version)
        return None
    store.share(path, f"releases/{version}/{shard['path']}")
    log.info("%s: as in %s", shard["path"], shard["version"])
    return checksum


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
