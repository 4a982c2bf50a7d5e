"""Releases wherever they lie: the store or a copy of it; and the proof that they are what their manifest says."""

import json
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from include import settings, shards, store

log = logging.getLogger(__name__)


class NoRelease(Exception):
    """There is no release where one was looked for; the message says why."""


class Folder:
    """A folder of files anywhere that fsspec reaches: a release in the store, or a copy of one."""

    def __init__(self, path_or_url: str) -> None:
        from fsspec.core import url_to_fs

        self.url = path_or_url.rstrip("/")
        endpoint_url = settings.current().s3_endpoint_url
        options = {"endpoint_url": endpoint_url} if self.url.startswith("s3://") and endpoint_url else {}
        try:
            self._file_system, self._root = url_to_fs(self.url, **options)
        except (ValueError, ImportError) as error:
            raise NoRelease(f"{self.url} can't be read: {error}") from None

    def paths(self) -> set[str]:
        """Paths of all files of the release, but what a killed writer left."""
        self._file_system.invalidate_cache()
        found = {str(path)[len(self._root) :].lstrip("/") for path in self._file_system.find(self._root)}
        return {p for p in found if not re.search(r"(^|/)\.[^/]*\.part$", p)}

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises FileNotFoundError."""
        return bytes(self._file_system.cat_file(f"{self._root}/{path}"))

    def open(self, path: str) -> IO[bytes]:
        """A file as a stream. Raises FileNotFoundError."""
        stream: IO[bytes] = self._file_system.open(f"{self._root}/{path}", "rb")
        return stream

    def has(self, shard: dict[str, Any]) -> bool:
        """Whether there is a file of this `path` that has as many `bytes`."""
        try:
            return bool(self._file_system.size(f"{self._root}/{shard['path']}") == shard["bytes"])
        except FileNotFoundError:
            return False


def verify(release: Folder) -> dict[str, int]:
    """Prove that a release is what its manifest says; counts: `shards`, `samples`, `files`.

    Raises NoRelease, shards.Damaged; the latter names all that is missing, damaged or too much.
    """
    try:
        described = json.loads(release.read("manifest.json"))
        wanted = ("path", "n_samples", "sha256")
        found_shards = [shard for split in described["splits"].values() for shard in split["shards"]]
        listed = [{name: shard[name] for name in wanted} for shard in found_shards]
        expected = {entry["path"] for entry in [*listed, *described["files"]]}
        files = [(entry["path"], entry["sha256"]) for entry in described["files"]]
    except (FileNotFoundError, NotADirectoryError):
        raise NoRelease(f"there is no release in {release.url}: no manifest.json") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NoRelease(f"{release.url}/manifest.json is no manifest: {error!r}") from None
    strays = sorted(release.paths() - expected - {"manifest.json"})
    faults = [shards.Damaged(f"{path}: not in the manifest") for path in strays]
    for path, sha256 in files:
        try:
            with release.open(path) as stream:
                found = store.sha256_of(stream)
        except FileNotFoundError:
            faults.append(shards.Damaged(f"{path}: missing"))
        else:
            if found != sha256:
                faults.append(shards.Damaged(f"{path}: its SHA-256 is {found}, the manifest says {sha256}"))
    return {**verify_shards(release, listed, faults), "files": len(files)}


def verify_shards(
    release: Folder,
    listed: Sequence[dict[str, Any]],
    faults: list[shards.Damaged],
    frozen: Callable[[dict[str, Any]], shards.Frozen] | None = None,
) -> dict[str, int]:
    """Verify shards, against what `frozen` gives for each if it is given.

    Returns counts: `shards`, `samples`. Raises shards.Damaged with `faults` and those of the shards.
    """

    def fault_of(shard: dict[str, Any]) -> shards.Damaged | None:
        wanted = frozen(shard) if frozen is not None else None
        try:
            given = {"n_samples": shard["n_samples"], "sha256": shard["sha256"]}
            with release.open(shard["path"]) as stream:
                shards.verify(stream, shard["path"], **given, frozen=wanted)
        except FileNotFoundError:
            return shards.Damaged(f"{shard['path']}: missing", wanted.samples if wanted is not None else ())
        except shards.Damaged as fault:
            return fault
        log.info("%s: %d samples read back", shard["path"], shard["n_samples"])
        return None

    # What takes the time, decoding and hashing, lets other threads run.
    with ThreadPoolExecutor(max_workers=shards.AT_ONCE) as pool:
        faults = [*faults, *(fault for fault in pool.map(fault_of, listed) if fault is not None)]
    if faults:
        clip_ids = sorted({clip_id for fault in faults for clip_id in fault.clip_ids})
        raise shards.Damaged("\n".join(map(str, faults)), clip_ids)
    return {"shards": len(listed), "samples": sum(shard["n_samples"] for shard in listed)}
