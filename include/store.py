"""The object store: bytes under one root, on disk or S3, through fsspec.

Paths here are relative to the root (`audio/ab/<sha256>.flac`). A reader never sees half an object: on disk it
is written beside its place, synced and renamed; S3 shows an object only when its upload is complete.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from include import settings

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

CHUNK_BYTES = 1 << 20
# A file system without hard links, another one, or a file that has as many as it may.
NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)


class Conflict(Exception):
    """Another process wrote an object first."""


def _resolve(path: str = "") -> tuple["AbstractFileSystem", str]:
    """File system and full path of `path`. Raises ValueError for a path that would leave the root."""
    import fsspec

    if ".." in PurePosixPath(path).parts or path.startswith("/") or "\0" in path:
        raise ValueError(f"{path!r} is no path inside the store")
    current = settings.current()
    options: dict[str, Any] = {}
    if current.store_root.startswith("s3://"):
        # Other processes write too: what a folder held a while ago proves nothing.
        options = {"endpoint_url": current.s3_endpoint_url, "use_listings_cache": False}
    file_system, root = fsspec.core.url_to_fs(current.store_root, **options)
    return file_system, f"{root}/{path}" if path else root


def _is_local(file_system: "AbstractFileSystem") -> bool:
    return "file" in file_system.protocol


def url(path: str) -> str:
    """Address of `path` as any fsspec reader takes it."""
    return f"{settings.current().store_root}/{path}"


def exists(path: str) -> bool:
    """Whether there is an object or a folder at `path`."""
    file_system, full = _resolve(path)
    return bool(file_system.exists(full))


def read_bytes(path: str) -> bytes:
    """The whole object. Raises FileNotFoundError."""
    file_system, full = _resolve(path)
    return bytes(file_system.cat_file(full))


def open_read(path: str) -> IO[bytes]:
    """The object as a binary stream. Raises FileNotFoundError."""
    file_system, full = _resolve(path)
    stream: IO[bytes] = file_system.open(full, "rb")
    return stream


def size_bytes(path: str) -> int:
    """Size of the object. Raises FileNotFoundError."""
    file_system, full = _resolve(path)
    return int(file_system.size(full))


def modified_at(path: str) -> datetime:
    """When the object was last written. Raises FileNotFoundError."""
    file_system, full = _resolve(path)
    modified: datetime = file_system.modified(full)
    return modified


def paths_below(folder: str) -> list[str]:
    """Every object below `folder`, sorted; empty if there is no such folder."""
    file_system, full = _resolve(folder)
    _, root = _resolve()
    if not file_system.exists(full):
        return []
    return sorted(
        name for found in file_system.find(full) if not _is_staged(name := str(found)[len(root) :].lstrip("/"))
    )


def folders_in(folder: str) -> list[str]:
    """Names of the folders that lie directly in `folder`, sorted; what lies in them is not listed."""
    file_system, full = _resolve(folder)
    if not file_system.exists(full):
        return []
    found = file_system.ls(full, detail=True)
    return sorted(PurePosixPath(entry["name"]).name for entry in found if entry["type"] == "directory")


@contextmanager
def open_atomic(path: str) -> Iterator[IO[bytes]]:
    """A stream whose bytes appear at `path`, whole, when the block ends without an exception."""
    file_system, full = _resolve(path)
    if not _is_local(file_system):
        # Not fsspec's transaction: that is one for all who write through this file system at the time.
        stream = file_system.open(full, "wb", autocommit=False)
        try:
            yield stream
            stream.close()
        except BaseException:
            stream.discard()
            stream.closed = True  # else the garbage collector would upload the rest
            raise
        stream.commit()
        return
    target = Path(full)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        with staged.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(target)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_staged(path: str) -> bool:
    """Whether `path` is what a killed `open_atomic` left."""
    name = PurePosixPath(path).name
    return name.startswith(".") and name.endswith(".part")


def write_bytes(path: str, content: bytes) -> None:
    """Put `content` at `path`, replacing what is there, whole or not at all."""
    file_system, full = _resolve(path)
    if _is_local(file_system):
        with open_atomic(path) as stream:
            stream.write(content)
    else:
        file_system.pipe_file(full, content)  # one request; a stream takes three


def audio_path(sha256: str) -> str:
    """Where the clip with these bytes is."""
    return f"audio/{sha256[:2]}/{sha256}.flac"


def put_audio(content: bytes) -> str:
    """Store a FLAC under the SHA-256 of its bytes, which is returned; bytes already there are left alone."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = audio_path(sha256)
    if not exists(path):
        write_bytes(path, content)
    return sha256


def delete_audio(sha256: str) -> bool:
    """Remove an object of put_audio() and what writers that died before its end left beside it; whether it was there.

    Only for who knows that nobody writes it now.
    """
    path = audio_path(sha256)
    file_system, full = _resolve(path)
    was_there = exists(path)
    delete(path)
    if _is_local(file_system):
        for staged in Path(full).parent.glob(f".{Path(full).name}.*.part"):
            staged.unlink(missing_ok=True)
            was_there = True
    return was_there


def move(path: str, target: str) -> None:
    """Move one object."""
    file_system, full = _resolve(path)
    _, full_target = _resolve(target)
    if _is_local(file_system):
        Path(full_target).parent.mkdir(parents=True, exist_ok=True)
    file_system.mv(full, full_target)


def delete(path: str) -> None:
    """Remove one object; nothing happens if it is not there."""
    file_system, full = _resolve(path)
    if file_system.exists(full):
        file_system.rm_file(full)


def sha256(path: str) -> str:
    """SHA-256 of the object's bytes, in hex. Raises FileNotFoundError."""
    with open_read(path) as stream:
        return sha256_of(stream)


def sha256_of(stream: IO[bytes]) -> str:
    """SHA-256 of what is left in a stream, in hex."""
    return _digest_of(stream, hashlib.sha256())


def xxh3_128(path: str) -> str:
    """XXH3-128 of the object's bytes, in hex. Raises FileNotFoundError.

    It finds what a disk damages, ten times as fast as SHA-256; it proves nothing against who means to deceive.
    https://github.com/Cyan4973/xxHash
    """
    import xxhash

    with open_read(path) as stream:
        return _digest_of(stream, xxhash.xxh3_128())


def _digest_of(stream: Any, found: Any) -> str:
    # Into one piece of memory: to get some anew for each chunk takes longer than the faster hash.
    chunk = memoryview(bytearray(CHUNK_BYTES))
    while n_read := stream.readinto(chunk):
        found.update(chunk[:n_read])
    return str(found.hexdigest())


def share(path: str, target: str) -> None:
    """Let `target` be the bytes of `path`, without moving them where the store can: a hard link, or S3's own copy.

    Objects are replaced, never written in place, so that the two don't touch each other later.
    """
    file_system, full = _resolve(path)
    _, full_target = _resolve(target)
    if not _is_local(file_system):
        file_system.copy(full, full_target)
        return
    place = Path(full_target)
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists() and place.samefile(full):
        return  # renaming one link of a file over another leaves both
    staged = place.with_name(f".{place.name}.{uuid4().hex}.part")
    try:
        try:
            os.link(full, staged)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            shutil.copyfile(full, staged)
        staged.replace(place)
    finally:
        staged.unlink(missing_ok=True)
    _sync_folder(place.parent)


def read_tagged(path: str) -> tuple[bytes, str | None]:
    """The object and the tag of this state of it, for write_if(); `b""` and None if there is none."""
    file_system, full = _resolve(path)
    try:
        if _is_local(file_system):
            content = Path(full).read_bytes()
            return content, hashlib.sha256(content).hexdigest()
        # The tag first: should the object change in between, the tag is old and write_if() refuses.
        tag = str(file_system.info(full)["ETag"])
        return bytes(file_system.cat_file(full)), tag
    except FileNotFoundError:
        return b"", None


def write_if(path: str, content: bytes, tag: str | None) -> None:
    """Put `content` at `path` if the object still is as read_tagged() gave `tag` (None: if there is none).

    Of several who try at once one succeeds. Raises Conflict for the others.
    """
    file_system, full = _resolve(path)
    if not _is_local(file_system):
        bucket, key, _ = file_system.split_path(full)
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        try:
            file_system.call_s3("put_object", Bucket=bucket, Key=key, Body=content, **condition)
        except OSError as error:
            if _is_precondition(error):
                raise Conflict(f"{path} was written by another at the same time") from error
            raise
        return
    folder = Path(full).parent
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if read_tagged(path)[1] != tag:
            raise Conflict(f"{path} was written by another at the same time")
        write_bytes(path, content)
    finally:
        os.close(descriptor)


def _is_precondition(error: OSError) -> bool:
    """Whether S3 refused a write because its condition did not hold: s3fs translates some of these, not all."""
    answer = getattr(error.__cause__, "response", {})
    return answer.get("Error", {}).get("Code") in ("PreconditionFailed", "ConditionalRequestConflict")
