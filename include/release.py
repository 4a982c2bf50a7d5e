"""Releases: freeze, plan, build, verify, promote.

The steps are called in this order, by the DAG one task each, by `oe release build` in one go. Any of them may be
killed and run again: a release without `manifest.json` does not exist for any reader, and `releases/latest.json`
moves last.
"""

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from include import (
    card,
    catalog,
    checks,
    claims,
    copies,
    frozen_rows,
    layout,
    manifest,
    sample_rows,
    settings,
    shards,
    store,
    tables,
)

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

VERSION = re.compile(r"[0-9]{4}\.(0[1-9]|1[0-2])\.(0[1-9]|[12][0-9]|3[01])(\.[1-9][0-9]{0,3})?")
LATEST = "releases/latest.json"


class ReleaseError(Exception):
    """A release can't be made, found or promoted; the message says why."""


def folder(version: str) -> str:
    """Where a release lies in the store. Raises ReleaseError if `version` is none."""
    if not VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r} is no version: YYYY.MM.DD or YYYY.MM.DD.N is")
    return f"releases/{version}"


def read_manifest(version: str) -> dict[str, Any]:
    """The manifest of a release in the store. Raises ReleaseError if there is none."""
    try:
        found: dict[str, Any] = json.loads(store.read_bytes(f"{folder(version)}/manifest.json"))
    except FileNotFoundError:
        raise ReleaseError(f"there is no release {version} in {settings.current().store_root}") from None
    return found


def latest_version() -> str | None:
    """The version that `releases/latest.json` names, or None."""
    if not store.exists(LATEST):
        return None
    return str(json.loads(store.read_bytes(LATEST))["version"])


def published_versions() -> Iterator[str]:
    """Versions with a manifest in the store, newest first: a year of nights has far more files than one may list."""
    named = [name for name in store.folders_in("releases") if VERSION.fullmatch(name)]
    return (v for v in sorted(named, key=_order, reverse=True) if store.exists(f"{folder(v)}/manifest.json"))


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def next_version() -> str:
    """Today's version in UTC, with the next free number if today has one already.

    A release that was built and not promoted, because its run was killed, does not count: it is finished. Should the
    clock stand before the newest release's day, that day counts on: a newer release never gets an older version.
    """
    now = datetime.now(UTC)
    today = (now.year, now.month, now.day)
    newest = next((_order(v) for v in published_versions() if not _is_unfinished(v)), ())
    if newest[:3] < today:
        return "{:04}.{:02}.{:02}".format(*today)
    number = newest[3] if len(newest) > 3 else 0
    return "{:04}.{:02}.{:02}.{}".format(*newest[:3], number + 1)


def freeze(version: str | None = None, *, is_compact: bool = False) -> dict[str, Any]:
    """Take down, in one transaction, all that a release will say, and where each clip will lie.

    `is_compact` packs all clips into full shards anew. Returns `version`, `parent`, `n_clips`, `duration_s`, and
    `is_changed`: whether there is something to build, because a sample differs from the parent's. A release that was
    published under `version` is left alone (`is_changed` false); one that has a manifest but was never promoted goes
    through the steps again as it was frozen, to the same bytes.

    Raises ReleaseError if `version` is none, or if a publisher on another catalog makes it.
    """
    version = version or next_version()
    manifest_path = f"{folder(version)}/manifest.json"
    with catalog.connect() as connection:
        # No merge may be half in while the rows are taken, and no other publisher of this version in a step.
        connection.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        _lock(connection, version, "update")
        if store.exists(manifest_path):
            is_unfinished = _is_unfinished(version)
            if not is_unfinished:
                # Who promoted it may have been killed before it let it go.
                claims.drop(version)
            log.info("release %s has a manifest already: %s", version, "to finish" if is_unfinished else "stays")
            return {**_figures(read_manifest(version)), "is_changed": is_unfinished}
        parent = catalog.row(connection, "select_parent_release", version=version) or {}
        figures = frozen_rows.take(connection, version, parent.get("version"))
        is_changed = figures["content_sha256"] != parent.get("content_sha256")
        if is_changed or is_compact:
            catalog.run(connection, "insert_release_links", version=version)
            layout.place(connection, version, parent.get("version"), is_compact=is_compact)
            catalog.run(connection, "insert_release_removals", version=version)
            is_changed = is_changed or layout.has_moved(connection, version, parent.get("version"))
        if is_changed:
            _claim(connection, version)
        else:
            connection.execute("delete from catalog.release where version = %s", [version])
            log.info("nothing has changed since release %s: no new release", parent["version"])
    log.info("release %s: %d clips, %.2f h frozen", version, figures["n_clips"], figures["duration_s"] / 3600)
    return {
        "version": version if is_changed else parent["version"],
        "parent": parent.get("version"),
        "n_clips": figures["n_clips"],
        "duration_s": figures["duration_s"],
        "is_changed": is_changed,
    }


def _claim(connection: "Connection[catalog.Row]", version: str) -> None:
    """Shut out publishers on other catalogs, and sweep what this one began earlier and never ended.

    Raises ReleaseError if another was first.
    """
    try:
        claims.take(connection, version)
    except claims.Claimed as error:
        raise ReleaseError(str(error)) from None
    for given_up in claims.held(connection):
        if _order(given_up) < _order(version):
            if not store.exists(f"{folder(given_up)}/manifest.json"):
                for path in store.paths_below(folder(given_up)):
                    store.delete(path)
                log.warning("release %s was begun and never ended: removed", given_up)
                connection.execute("delete from catalog.release where version = %s", [given_up])
            claims.drop(given_up)


def _lock(connection: "Connection[catalog.Row]", version: str, strength: Literal["share", "update"]) -> bool:
    """Hold a release's row until the transaction ends; whether there is one.

    Steps share it and a freeze takes it alone: two publishers of one version never mix what they froze.
    """
    statement = {
        "share": "select 1 from catalog.release where version = %s for share",
        "update": "select 1 from catalog.release where version = %s for update",
    }[strength]
    return connection.execute(statement, [version]).fetchone() is not None


def _is_unfinished(version: str) -> bool:
    """Whether a release that has a manifest was never promoted, because its run was killed before."""
    with catalog.connect() as connection:
        found = connection.execute("select state from catalog.release where version = %s", [version]).fetchone()
    return found is not None and found["state"] == "building"


def _figures(described: dict[str, Any]) -> dict[str, Any]:
    return {name: described[name] for name in ("version", "parent", "n_clips", "duration_s")}


def has_changes(frozen: dict[str, Any]) -> bool:
    """Whether there is a release to build after freeze()."""
    return bool(frozen["is_changed"])


def plan_shards(version: str, batch_size: int = 20) -> list[list[tuple[str, int]]]:
    """The release's shards as (split, number), in batches for parallel work; 1 to 1,000 batches."""
    with catalog.connect() as connection:
        planned = [(r["split"], r["shard"]) for r in catalog.rows(connection, "select_release_shards", version=version)]
    batch_size = max(batch_size, -(-len(planned) // 1000))
    log.info("release %s: %d shards", version, len(planned))
    # Without a shard there is one batch of none: a task for each of no batches would be skipped, and all after it.
    return [planned[first : first + batch_size] for first in range(0, len(planned), batch_size)] or [[]]


def build_shards(version: str, planned: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Make some shards of a frozen release; those that are the parent's are shared with it, not written.

    Returns counts: `shards`, `reused`, `samples`, `bytes`; the last two of what was written.
    """
    with catalog.connect() as connection:
        _lock(connection, version, "share")
        # Of Airflow each comes as a list.
        reused = layout.reuse(connection, version, [(split, shard) for split, shard in planned])
    counts: Counter[str] = Counter(reused=len(reused))

    def build(place: layout.Place) -> dict[str, int]:
        with catalog.connect() as connection:
            _lock(connection, version, "share")
            return _build_shard(connection, version, *place)

    # What takes the time, hashing and the disk, lets other threads run.
    with ThreadPoolExecutor(max_workers=shards.AT_ONCE) as pool:
        for built in pool.map(build, [place for split, shard in planned if (place := (split, shard)) not in reused]):
            counts.update(built)
    return dict(+counts)


def _build_shard(connection: "Connection[catalog.Row]", version: str, split: str, shard: int) -> dict[str, int]:
    path = f"{split}/{shard:06d}.tar"
    place = {"version": version, "split": split, "shard": shard, "path": path}
    frozen = catalog.rows(connection, "select_shard_samples", version=version, split=split, shard=shard)
    written = shards.write(f"{folder(version)}/{path}", _samples(frozen))
    catalog.run(
        connection,
        "upsert_release_shard",
        **place,
        n_samples=written.n_samples,
        bytes=written.size_bytes,
        sha256=written.sha256,
        xxh3_128=written.xxh3_128,
        reused_from=None,
    )
    layout.note_members(connection, version, (split, shard), written.members)
    log.info("%s: %d samples, %d bytes", path, written.n_samples, written.size_bytes)
    return {"shards": 1, "samples": written.n_samples, "bytes": written.size_bytes}


def _samples(frozen: list[catalog.Row]) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    for row in frozen:
        yield row["clip_id"], store.read_bytes(store.audio_path(row["audio_sha256"])), row["sample"]


def verify_built(version: str) -> dict[str, int]:
    """Read every shard that was written for a release back with `webdataset`, before it gets a manifest.

    Each holds the frozen rows and nothing else. Those shared with the parent were hashed when they were taken over;
    they must still be there in their size. The outcome is kept with those of the other checks. Returns counts:
    `shards`, `samples`, `reused`. Raises shards.Damaged.
    """

    def frozen(place: dict[str, Any]) -> shards.Frozen:
        given = {"version": version, "split": place["split"], "shard": place["shard"]}
        with catalog.connect() as connection:
            rows = catalog.rows(connection, "select_frozen_samples", **given)
        decoded = frozenset(row["clip_id"] for row in rows if row["is_decoded"])
        return shards.Frozen({row["clip_id"]: row["sample"] for row in rows}, decoded)

    def lost(path: str, how: str, place: dict[str, Any]) -> shards.Damaged:
        return shards.Damaged(f"{path}: {how}", frozen(place).samples)

    with catalog.connect() as connection:
        planned = catalog.rows(connection, "select_release_shards", version=version)
        built = catalog.rows(connection, "select_built_shards", version=version)
    found = {(shard["split"], shard["shard"]) for shard in built}
    faults = [
        lost(f"{place['split']}/{place['shard']:06d}.tar", "not built", place)
        for place in planned if (place["split"], place["shard"]) not in found
    ]  # fmt: skip
    release = copies.Folder(store.url(folder(version)))
    written = [shard for shard in built if shard["reused_from"] is None]
    reused = [shard for shard in built if shard["reused_from"] is not None]
    faults += [lost(shard["path"], "not as large as it was", shard) for shard in reused if not release.has(shard)]
    try:
        counts = copies.verify_shards(release, written, faults, frozen)
    except shards.Damaged as damage:
        checks.keep_readback(version, damage.clip_ids)
        raise
    checks.keep_readback(version, None)
    return {**counts, "reused": len(reused)}


def verify(path_or_version: str) -> dict[str, int]:
    """Prove that a release is what its manifest says, byte for byte and clip by clip, and holds nothing else.

    It is named by its version, or by the folder or the file:// or s3:// address where a copy of it lies; needs no
    catalog. Returns counts: `shards`, `samples`, `files`. Raises ReleaseError, shards.Damaged; the latter names
    all that is missing, damaged or too much.
    """
    is_version = VERSION.fullmatch(path_or_version) is not None
    try:
        return copies.verify(copies.Folder(store.url(folder(path_or_version)) if is_version else path_or_version))
    except copies.NoRelease as error:
        raise ReleaseError(str(error)) from None


def write_tables_and_card(version: str) -> None:
    """Write what people and tools read beside the shards of a built and checked release: its tables, its data card.

    A published release is left alone. Raises ReleaseError if the release is not frozen, or a shard of it not built.
    """
    root = folder(version)
    with catalog.connect() as connection:
        if _hold_built(connection, version)["state"] == "published":
            return
        # Others are to see the fields that it takes.
        with catalog.connect() as taking:
            sample_rows.take(taking, version)
        with ThreadPoolExecutor(max_workers=1) as beside:
            tabled = beside.submit(tables.write, version, root)
            written = card.write(version, root, manifest.compose(version), tabled.result)
            written += tabled.result()
        connection.execute("update catalog.release set files = %s where version = %s", [sorted(written), version])


def write_manifest(version: str) -> dict[str, Any]:
    """Write indexes and sums, sweep what does not belong beside the shards, and the manifest last.

    A published release is left alone. Returns `version`, `parent`, `n_clips`, `duration_s`, `manifest_sha256`.
    Raises ReleaseError if the release is not frozen, if a shard of it is not built or its card not written, or if
    another publisher, on another catalog, has just written a manifest of this version.
    """
    with catalog.connect() as connection:
        release = _hold_built(connection, version)
        if release["state"] == "published":
            return {**_figures(read_manifest(version)), "manifest_sha256": release["manifest_sha256"]}
        if release["files"] is None:
            raise ReleaseError(f"release {version}: tables and card are not written")
        content = _compose_manifest(version, release["files"])
        _put_manifest(version, content)
    return {**_figures(json.loads(content)), "manifest_sha256": hashlib.sha256(content).hexdigest()}


def _hold_built(connection: "Connection[catalog.Row]", version: str) -> catalog.Row:
    """Hold a frozen release alone until the transaction ends; its row.

    Raises ReleaseError if it is not frozen, or if it is not published and a shard of it is not built.
    """
    if not _lock(connection, version, "update"):
        raise ReleaseError(f"release {version} is not frozen")
    release = connection.execute("select * from catalog.release where version = %s", [version]).fetchone() or {}
    if release["state"] == "published":
        log.info("release %s is published already and stays as it is", version)
        return release
    planned = catalog.rows(connection, "select_release_shards", version=version)
    built = catalog.rows(connection, "select_built_shards", version=version)
    if len(planned) != len(built):
        raise ReleaseError(f"release {version}: {len(planned) - len(built)} of {len(planned)} shards are not built")
    return release


def _compose_manifest(version: str, written: list[str]) -> bytes:
    """Write indexes and sums beside the files that are `written`, and sweep the release's folder; the manifest."""
    root = folder(version)
    described = manifest.compose(version)
    shard_paths = {f"{root}/{shard['path']}" for split in described["splits"].values() for shard in split["shards"]}
    listed = {*written, *manifest.write_indexes(root, described), *store.paths_below(f"{root}/checks")}
    described["files"] = [manifest.file_entry(path, root) for path in sorted(listed)]
    sums = manifest.write_sums(root, described)
    described["files"].append(manifest.file_entry(sums, root))
    for stray in set(store.paths_below(root)) - shard_paths - listed - {sums, f"{root}/manifest.json"}:
        log.warning("%s: left by an earlier try, removed", stray)
        store.delete(stray)
    return json.dumps(described, indent=1).encode()


def _put_manifest(version: str, content: bytes) -> None:
    """Write a manifest unless there is one, or the same. Raises ReleaseError."""
    path = f"{folder(version)}/manifest.json"
    try:
        store.write_if(path, content, None)
    except store.Conflict:
        if store.read_bytes(path) != content:
            raise ReleaseError(f"another publisher wrote release {version} first: its manifest differs") from None


def promote(version: str) -> dict[str, Any]:
    """Make a release the latest: what readers who name no version get. Returns its figures.

    Raises ReleaseError if it has no manifest, or if another publisher moves `latest.json` at the same time.
    """
    promoted = read_manifest(version)
    content = store.read_bytes(f"{folder(version)}/manifest.json")
    manifest_sha256 = hashlib.sha256(content).hexdigest()
    pointer = {"version": version, "manifest": f"{version}/manifest.json", "manifest_sha256": manifest_sha256}
    before, tag = store.read_tagged(LATEST)
    wanted = json.dumps(pointer, indent=1).encode()
    if before != wanted:
        try:
            store.write_if(LATEST, wanted, tag)
        except store.Conflict as error:
            raise ReleaseError(f"{error}: it may name another release than {version} now") from None
    with catalog.connect() as connection:
        catalog.run(connection, "publish_release", version=version, manifest_sha256=manifest_sha256)
    claims.drop(version)
    log.info("releases/latest.json names %s: %d clips", version, promoted["n_clips"])
    return {**_figures(promoted), "manifest_sha256": manifest_sha256}


def build(version: str | None = None, *, is_compact: bool = False, is_drift_allowed: bool = False) -> dict[str, Any]:
    """All steps in one go: freeze, check and meanwhile build, and so on. Returns freeze()'s figures.

    With `is_drift_allowed` it may lie further from the last release than the checks accept.
    Raises checks.CheckFailed, shards.Damaged, ReleaseError; `latest.json` then stays as it was.
    """
    frozen = freeze(version, is_compact=is_compact)
    if has_changes(frozen):
        # The server checks while shards are hashed and written here.
        with ThreadPoolExecutor(max_workers=1) as beside:
            checked = beside.submit(checks.check_release, frozen["version"], is_drift_allowed=is_drift_allowed)
            for batch in plan_shards(frozen["version"]):
                build_shards(frozen["version"], batch)
            checked.result()
        # Not side by side as in the DAG: in one process both wait for the same interpreter, and take as long.
        verify_built(frozen["version"])
        write_tables_and_card(frozen["version"])
        write_manifest(frozen["version"])
        promote(frozen["version"])
    return frozen


def diff(old: str, new: str) -> dict[str, Any]:
    """What changed between two published releases: clip ids `added` and `removed`, `changed` with the fields.

    Raises ReleaseError if the catalog does not know one of them.
    """
    with catalog.connect() as connection:
        for version in (old, new):
            if connection.execute("select 1 from catalog.release where version = %s", [version]).fetchone() is None:
                raise ReleaseError(f"there is no release {version} in the catalog")
    return tables.changes(new, old)
