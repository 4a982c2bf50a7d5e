"""Releases: freeze, plan, build, verify, promote.

The steps are called in this order, by the DAG one task each, by `oe release build` in one go. Any of them may be
killed and run again: a release without `manifest.json` does not exist for any reader, and `releases/latest.json`
moves last.
"""

import hashlib
import io
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from include import __version__, card, catalog, checks, settings, shards, store, tables, vocabulary

log = logging.getLogger(__name__)

VERSION = re.compile(r"[0-9]{4}\.(0[1-9]|1[0-2])\.(0[1-9]|[12][0-9]|3[01])(\.[1-9][0-9]{0,3})?")
LATEST = "releases/latest.json"
MANIFEST_FORMAT = 1


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
        manifest: dict[str, Any] = json.loads(store.read_bytes(f"{folder(version)}/manifest.json"))
    except FileNotFoundError:
        raise ReleaseError(f"there is no release {version} in {settings.current().store_root}") from None
    return manifest


def latest_version() -> str | None:
    """The version that `releases/latest.json` names, or None."""
    if not store.exists(LATEST):
        return None
    return str(json.loads(store.read_bytes(LATEST))["version"])


def published_versions() -> list[str]:
    """Versions with a manifest in the store, oldest first."""
    found = [path.split("/")[1] for path in store.paths_below("releases") if path.endswith("/manifest.json")]
    return sorted((v for v in found if VERSION.fullmatch(v)), key=_order)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def next_version() -> str:
    """Today's version in UTC, with the next free number if today has one already.

    A release that was built and not promoted, because its run was killed, does not count: it is finished.
    """
    today = datetime.now(UTC).strftime("%Y.%m.%d")
    same_day = [_order(v) for v in published_versions() if v.startswith(today) and not _is_unfinished(v)]
    if not same_day:
        return today
    number = max(parts[3] if len(parts) > 3 else 0 for parts in same_day) + 1
    return f"{today}.{number}"


def freeze(version: str | None = None) -> dict[str, Any]:
    """Take down, in one transaction, all that a release will say.

    Returns `version`, `parent`, `n_clips`, `duration_s`, and `is_changed`: whether there is something to build,
    because a sample differs from the parent's. A release that was published under `version` is left alone
    (`is_changed` false); one that has a manifest but was never promoted goes through the steps again as it was
    frozen, to the same bytes.

    Raises ReleaseError if `version` is none.
    """
    version = version or next_version()
    if store.exists(f"{folder(version)}/manifest.json"):
        is_unfinished = _is_unfinished(version)
        log.info("release %s has a manifest already: %s", version, "to finish" if is_unfinished else "stays as it is")
        return {**_figures(read_manifest(version)), "is_changed": is_unfinished}
    with catalog.connect() as connection:
        # No merge may be half in while the rows are taken.
        connection.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        vocabulary.save(connection)
        connection.execute("delete from catalog.release where version = %s", [version])
        parent = catalog.row(connection, "select_parent_release", version=version) or {}
        parent_version = parent.get("version")
        catalog.run(
            connection,
            "insert_release",
            version=version,
            parent=parent_version,
            vocabulary_version=vocabulary.load()[0],
        )
        catalog.run(connection, "freeze_release_clips", version=version, min_raters=settings.current().min_raters)
        figures = catalog.row(connection, "sum_release", version=version) or {}
        is_changed = figures["content_sha256"] != parent.get("content_sha256")
        if not is_changed:
            connection.execute("delete from catalog.release where version = %s", [version])
            log.info("nothing has changed since release %s: no new release", parent_version)
        else:
            catalog.run(
                connection, "plan_release_shards", version=version, shard_samples=settings.current().shard_samples
            )
    log.info("release %s: %d clips, %.2f h frozen", version, figures["n_clips"], figures["duration_s"] / 3600)
    return {
        "version": version if is_changed else parent_version,
        "parent": parent_version,
        "n_clips": figures["n_clips"],
        "duration_s": figures["duration_s"],
        "is_changed": is_changed,
    }


def _is_unfinished(version: str) -> bool:
    """Whether a release that has a manifest was never promoted, because its run was killed before."""
    with catalog.connect() as connection:
        found = connection.execute("select state from catalog.release where version = %s", [version]).fetchone()
    return found is not None and found["state"] == "building"


def _figures(manifest: dict[str, Any]) -> dict[str, Any]:
    return {name: manifest[name] for name in ("version", "parent", "n_clips", "duration_s")}


def has_changes(frozen: dict[str, Any]) -> bool:
    """Whether there is a release to build after freeze()."""
    return bool(frozen["is_changed"])


def plan_shards(version: str, batch_size: int = 4) -> list[list[tuple[str, int]]]:
    """The release's shards as (split, number), in batches for parallel work; at most 1,000 batches."""
    with catalog.connect() as connection:
        planned = [(r["split"], r["shard"]) for r in catalog.rows(connection, "select_release_shards", version=version)]
    batch_size = max(batch_size, -(-len(planned) // 1000))
    log.info("release %s: %d shards", version, len(planned))
    return [planned[first : first + batch_size] for first in range(0, len(planned), batch_size)]


def build_shards(version: str, planned: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Write some shards of a frozen release. Returns counts: `shards`, `samples`, `bytes`."""
    counts: Counter[str] = Counter()
    for split, shard in planned:
        path = f"{split}/{shard:06d}.tar"
        with catalog.connect() as connection:
            frozen = catalog.rows(connection, "select_shard_samples", version=version, split=split, shard=shard)
            written = shards.write(f"{folder(version)}/{path}", _samples(frozen))
            catalog.run(
                connection,
                "upsert_release_shard",
                version=version,
                split=split,
                shard=shard,
                path=path,
                n_samples=written.n_samples,
                bytes=written.size_bytes,
                sha256=written.sha256,
            )
            with connection.cursor() as cursor:
                cursor.executemany(
                    catalog.statement("update_member_places"),
                    [{"version": version, "clip_id": clip_id, **_places(members)}
                     for clip_id, members in written.members.items()],
                )  # fmt: skip
        counts.update(shards=1, samples=written.n_samples, bytes=written.size_bytes)
        log.info("%s: %d samples, %d bytes", path, written.n_samples, written.size_bytes)
    return dict(counts)


def _samples(frozen: list[catalog.Row]) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    for row in frozen:
        yield row["clip_id"], store.read_bytes(store.audio_path(row["audio_sha256"])), row["sample"]


def _places(members: dict[str, shards.Member]) -> dict[str, int]:
    return {
        f"{kind}_{name}": value
        for kind, member in members.items()
        for name, value in (("offset_bytes", member.offset_bytes), ("bytes", member.size_bytes))
    }


def verify_built(version: str) -> dict[str, int]:
    """Read every planned shard of a release back with `webdataset`, before it gets a manifest.

    Returns counts: `shards`, `samples`. Raises shards.Damaged.
    """
    with catalog.connect() as connection:
        planned = {(r["split"], r["shard"]) for r in catalog.rows(connection, "select_release_shards", version=version)}
        built = catalog.rows(connection, "select_built_shards", version=version)
    faults = [f"{s}/{n:06d}.tar: not built" for s, n in sorted(planned - {(b["split"], b["shard"]) for b in built})]
    return _verify_shards(_Folder(store.url(folder(version))), built, faults)


def verify(path_or_version: str) -> dict[str, int]:
    """Prove that a release is what its manifest says, byte for byte and clip by clip, and holds nothing else.

    It is named by its version, or by the folder or the file:// or s3:// address where a copy of it lies; needs no
    catalog. Returns counts: `shards`, `samples`, `files`. Raises ReleaseError, shards.Damaged; the latter names
    all that is missing, damaged or too much.
    """
    is_version = VERSION.fullmatch(path_or_version) is not None
    release = _Folder(store.url(folder(path_or_version)) if is_version else path_or_version)
    try:
        manifest = json.loads(release.read("manifest.json"))
        wanted = ("path", "n_samples", "sha256")
        found_shards = [shard for split in manifest["splits"].values() for shard in split["shards"]]
        listed = [{name: shard[name] for name in wanted} for shard in found_shards]
        expected = {entry["path"] for entry in [*listed, *manifest["files"]]}
        files = [(entry["path"], entry["sha256"]) for entry in manifest["files"]]
    except (FileNotFoundError, NotADirectoryError):
        raise ReleaseError(f"there is no release in {release.url}: no manifest.json") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ReleaseError(f"{release.url}/manifest.json is no manifest: {error!r}") from None
    faults = [f"{path}: not in the manifest" for path in sorted(release.paths() - expected - {"manifest.json"})]
    for path, sha256 in files:
        try:
            found = hashlib.sha256(release.read(path)).hexdigest()
        except FileNotFoundError:
            faults.append(f"{path}: missing")
        else:
            if found != sha256:
                faults.append(f"{path}: its SHA-256 is {found}, the manifest says {sha256}")
    return {**_verify_shards(release, listed, faults), "files": len(files)}


class _Folder:
    """A folder of files anywhere that fsspec reaches: a release in the store, or a copy of one."""

    def __init__(self, path_or_url: str) -> None:
        from fsspec.core import url_to_fs

        self.url = path_or_url.rstrip("/")
        endpoint_url = settings.current().s3_endpoint_url
        options = {"endpoint_url": endpoint_url} if self.url.startswith("s3://") and endpoint_url else {}
        try:
            self._file_system, self._root = url_to_fs(self.url, **options)
        except (ValueError, ImportError) as error:
            raise ReleaseError(f"{self.url} can't be read: {error}") from None

    def paths(self) -> set[str]:
        self._file_system.invalidate_cache()
        found = {str(path)[len(self._root) :].lstrip("/") for path in self._file_system.find(self._root)}
        return {path for path in found if not re.search(r"(^|/)\.[^/]*\.part$", path)}  # a killed writer's

    def read(self, path: str) -> bytes:
        return bytes(self._file_system.cat_file(f"{self._root}/{path}"))


def _verify_shards(release: _Folder, listed: Sequence[dict[str, Any]], faults: list[str]) -> dict[str, int]:
    """Verify shards; counts of them and their samples. Raises shards.Damaged with `faults` and those of the shards."""
    counts: Counter[str] = Counter(shards=0, samples=0)
    for shard in listed:
        try:
            stream = io.BytesIO(release.read(shard["path"]))
            shards.verify(stream, shard["path"], n_samples=shard["n_samples"], sha256=shard["sha256"])
        except FileNotFoundError:
            faults.append(f"{shard['path']}: missing")
        except shards.Damaged as error:
            faults.append(str(error))
        else:
            counts.update(shards=1, samples=shard["n_samples"])
            log.info("%s: %d samples read back", shard["path"], shard["n_samples"])
    if faults:
        raise shards.Damaged("\n".join(faults))
    return dict(counts)


def write_manifest(version: str) -> dict[str, Any]:
    """Write what stands beside the shards, sweep what does not belong there, and the manifest last.

    A published release is left alone. Returns `version`, `parent`, `n_clips`, `duration_s`, `manifest_sha256`.
    """
    root = folder(version)
    with catalog.connect() as connection:
        release = connection.execute("select * from catalog.release where version = %s", [version]).fetchone()
        built = catalog.rows(connection, "select_built_shards", version=version)
        splits = catalog.rows(connection, "sum_release_splits", version=version)
    if release is None:
        raise ReleaseError(f"release {version} is not frozen")
    if release["state"] == "published":
        log.info("release %s is published already and stays as it is", version)
        return {**_figures(read_manifest(version)), "manifest_sha256": release["manifest_sha256"]}
    written = tables.write(version, root)
    manifest = {
        "format": MANIFEST_FORMAT,
        "version": version,
        "parent": release["parent"],
        "code_version": __version__,
        "vocabulary_version": release["vocabulary_version"],
        "settings": settings.current().model_dump(include={"sample_rate_hz", "min_raters", "shard_samples"}),
        "n_clips": release["n_clips"],
        "duration_s": release["duration_s"],
        "splits": {
            split["split"]: {
                "n_clips": split["n_clips"],
                "duration_s": split["duration_s"],
                "shards": [
                    {name: shard[name] for name in ("path", "n_samples", "bytes", "sha256")}
                    for shard in built
                    if shard["split"] == split["split"]
                ],
            }
            for split in splits
        },
    }
    written += card.write(version, root, manifest)
    written.append(f"{root}/checks/results.json")
    manifest["files"] = [_file_entry(path, root) for path in sorted(written)]
    shard_paths = {f"{root}/{shard['path']}" for shard in built}
    for stray in set(store.paths_below(root)) - shard_paths - set(written):
        log.warning("%s: left by an earlier try, removed", stray)
        store.delete(stray)
    content = json.dumps(manifest, indent=1).encode()
    store.write_bytes(f"{root}/manifest.json", content)
    return {**_figures(manifest), "manifest_sha256": hashlib.sha256(content).hexdigest()}


def _file_entry(path: str, root: str) -> dict[str, Any]:
    content = store.read_bytes(path)
    return {
        "path": path.removeprefix(f"{root}/"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def promote(version: str) -> dict[str, Any]:
    """Make a release the latest: what readers who name no version get. Returns its figures.

    Raises ReleaseError if it has no manifest.
    """
    manifest = read_manifest(version)
    content = store.read_bytes(f"{folder(version)}/manifest.json")
    manifest_sha256 = hashlib.sha256(content).hexdigest()
    pointer = {"version": version, "manifest": f"{version}/manifest.json", "manifest_sha256": manifest_sha256}
    store.write_bytes(LATEST, json.dumps(pointer, indent=1).encode())
    with catalog.connect() as connection:
        catalog.run(connection, "publish_release", version=version, manifest_sha256=manifest_sha256)
    log.info("releases/latest.json names %s: %d clips", version, manifest["n_clips"])
    return {**_figures(manifest), "manifest_sha256": manifest_sha256}


def build(version: str | None = None) -> dict[str, Any]:
    """All steps in one go: freeze, check, build, verify, manifest, promote. Returns freeze()'s figures.

    Raises checks.CheckFailed, shards.Damaged, ReleaseError; `latest.json` then stays as it was.
    """
    frozen = freeze(version)
    if has_changes(frozen):
        checks.check_release(frozen["version"])
        for batch in plan_shards(frozen["version"]):
            build_shards(frozen["version"], batch)
        verify_built(frozen["version"])
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
        return tables.changes(connection, new, old)
