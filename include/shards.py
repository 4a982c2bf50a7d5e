"""Shards: tars of samples whose bytes hang on their content alone, and the proof that they read back.

A sample is two members side by side, `<clip_id>.flac` and `<clip_id>.json`, in plain USTAR with fixed header
fields, so that the same samples give the same bytes on any day and machine.
"""

import hashlib
import io
import json
import logging
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import IO, Any

from include import store

log = logging.getLogger(__name__)

BLOCK_BYTES = 512
PIECE_BYTES = 4_000_000
AT_ONCE = min(4, os.cpu_count() or 1)


class Damaged(Exception):
    """A shard does not hold what it must; the message names the shard, the sample and the difference.

    `clip_ids` are the clips that are not in it as they must be, as far as they are known.
    """

    def __init__(self, message: str, clip_ids: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.clip_ids = list(clip_ids)


UNREADABLE = (Damaged, ValueError, LookupError, TypeError, RuntimeError, tarfile.TarError)


@dataclass(frozen=True)
class Member:
    """Where a file of a sample lies in its shard."""

    offset_bytes: int
    size_bytes: int


@dataclass
class Written:
    """What a finished shard is: figures for the manifest, and each clip's members by kind."""

    n_samples: int = 0
    size_bytes: int = 0
    sha256: str = ""
    xxh3_128: str = ""
    members: dict[str, dict[str, Member]] = field(default_factory=dict)


@dataclass(frozen=True)
class Frozen:
    """What a shard must hold: JSON objects by clip id, in their order.

    Audio of the clips in `decoded` was read and decoded for an earlier release: its hash, compared again, proves all
    that decoding it again would.
    """

    samples: dict[str, dict[str, Any]]
    decoded: frozenset[str] = frozenset()


class _HashedReader(io.RawIOBase):
    """Hands on what is read of `stream`, hashing it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._hash.update(content)
        return content

    def sha256_of_all(self) -> str:
        """SHA-256 of the stream in hex, what has not been read yet included."""
        while self.read(store.CHUNK_BYTES):
            pass
        return self._hash.hexdigest()


def encode_json(sample: dict[str, Any]) -> bytes:
    """A sample's JSON member: sorted keys, so that equal samples are equal bytes, and spaces up to a whole block.

    A tar pads each member to its block anyway. Where nothing is left to skip, readers on Python's tarfile don't seek
    (`TarFile.next` in https://github.com/python/cpython/blob/3.11/Lib/tarfile.py), a twentieth of a 10 s sample's time.
    """
    content = json.dumps(sample, ensure_ascii=False, sort_keys=True, allow_nan=False).encode()
    return content + b" " * (-len(content) % BLOCK_BYTES)


def write(path: str, samples: Iterable[tuple[str, bytes, dict[str, Any]]]) -> Written:
    """Write samples (clip id, FLAC, JSON object) as a shard at `path` in the store, whole or not at all."""
    import xxhash

    written, found = Written(), (hashlib.sha256(), xxhash.xxh3_128())
    with store.open_atomic(path) as stream, ThreadPoolExecutor(max_workers=1) as hasher:

        def put(pieces: list[bytes]) -> None:
            hashing = hasher.submit(_hash, found, pieces)
            stream.writelines(pieces)
            hashing.result()

        # Whole members, some megabytes at a time: tarfile's own stream writes, and would have hashed, 10 kB pieces.
        pieces: list[bytes] = []
        for clip_id, flac, sample in samples:
            written.members[clip_id] = {}
            for kind, content in (("flac", flac), ("json", encode_json(sample))):
                padding = bytes(-len(content) % BLOCK_BYTES)
                pieces += (_header(f"{clip_id}.{kind}", len(content)), content, padding)
                written.members[clip_id][kind] = Member(written.size_bytes + BLOCK_BYTES, len(content))
                written.size_bytes += BLOCK_BYTES + len(content) + len(padding)
            if sum(map(len, pieces)) >= PIECE_BYTES:
                put(pieces)
                pieces = []
        # Two empty blocks end an archive; it is a whole number of records long.
        end = bytes(2 * BLOCK_BYTES + -(written.size_bytes + 2 * BLOCK_BYTES) % tarfile.RECORDSIZE)
        put([*pieces, end])
        written.size_bytes += len(end)
    written.n_samples = len(written.members)
    written.sha256, written.xxh3_128 = (hashing.hexdigest() for hashing in found)
    return written


def _hash(found: tuple[Any, ...], pieces: list[bytes]) -> None:
    for hashing in found:
        for piece in pieces:
            hashing.update(piece)


def _header(name: str, size_bytes: int) -> bytes:
    """The header of one file, all fields but its name and size fixed, as `tarfile` makes it in a tenth of the time."""
    encoded = name.encode()
    if len(encoded) > tarfile.LENGTH_NAME:
        return _tarfile_header(name, size_bytes)
    header = bytearray(_blank_header())
    header[: len(encoded)] = encoded
    header[124:136] = b"%011o\0" % size_bytes
    header[148:154] = b"%06o" % (sum(header) - sum(header[148:156]) + 8 * ord(" "))
    return bytes(header)


@cache
def _blank_header() -> bytes:
    return _tarfile_header("", 0)


def _tarfile_header(name: str, size_bytes: int) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = size_bytes
    # An integer: a float would give each member a PAX header, which makes every reader slower.
    header.mtime = 0
    header.mode = 0o444
    return header.tobuf(tarfile.USTAR_FORMAT)


def read(stream: IO[bytes], name: str) -> Iterator[dict[str, Any]]:
    """Samples of a shard as `webdataset` reads them: `__key__`, `flac` and `json` as bytes."""
    from webdataset.tariterators import group_by_keys, tar_file_expander

    yield from group_by_keys(tar_file_expander([{"url": name, "stream": stream}]))


def verify(stream: IO[bytes], name: str, *, n_samples: int, sha256: str, frozen: Frozen | None = None) -> None:
    """Read a shard back with `webdataset`, hash it, and decode its clips, a sample at a time. Raises Damaged.

    The hash finds any changed byte; reading and decoding prove that what was hashed was right when written. The shard
    holds the samples of `frozen`, if it is given, and nothing else.
    """
    hashed: Any = _HashedReader(stream)
    keys: list[str] = []
    faults: list[Damaged] = []
    try:
        for sample in read(hashed, name):
            keys.append(str(sample["__key__"]))
            try:
                _verify_sample(sample, name, frozen)
            except UNREADABLE as error:
                faults.append(_fault(error, name, keys[-1:]))
    except UNREADABLE as error:
        faults.append(_fault(error, name))
    found_sha256 = hashed.sha256_of_all()
    if found_sha256 != sha256:
        faults.insert(0, Damaged(f"{name}: its SHA-256 is {found_sha256}, the manifest says {sha256}"))
    faults += _faults_of_whole(keys, name, n_samples, frozen)
    if faults:
        # Where no clip can be told from the others, none of the shard is to be trusted.
        hit = {clip_id for fault in faults for clip_id in fault.clip_ids} or set(frozen.samples if frozen else keys)
        raise Damaged(str(faults[0]), sorted(hit)) from faults[0]


def _faults_of_whole(keys: list[str], name: str, n_samples: int, frozen: Frozen | None) -> Iterator[Damaged]:
    """What is wrong with the clips of a shard together."""
    twice = [key for key, n_times in Counter(keys).items() if n_times > 1]
    if twice:
        yield Damaged(f"{name}: {twice[0]} stands in it twice", twice)
    if len(keys) != n_samples:
        yield Damaged(f"{name}: {len(keys)} samples, the manifest says {n_samples}")
    if frozen is not None and keys != list(frozen.samples):
        differing = set(keys) ^ set(frozen.samples)
        yield Damaged(f"{name}: its clips are not those that were frozen, or in another order", differing)


def _fault(error: Exception, name: str, clip_ids: Iterable[str] = ()) -> Damaged:
    """The error as Damaged: what webdataset, json and soundfile raise says neither shard nor clip."""
    if isinstance(error, Damaged):
        return error
    fault = Damaged(f"{name}: {type(error).__name__}: {str(error)[:200]}", clip_ids)
    fault.__cause__ = error
    return fault


def _verify_sample(sample: dict[str, Any], name: str, frozen: Frozen | None) -> None:
    """A sample has both members, its own id, the audio its JSON names, of the length it names. Raises Damaged."""
    import soundfile

    key = str(sample["__key__"])

    def differs(how: str) -> Damaged:
        return Damaged(f"{name}: {key}{how}", [key])

    fields = {kind for kind in sample if not kind.startswith("__")}
    if fields != {"flac", "json"}:
        raise differs(f" has members {sorted(fields)}, not flac and json")
    said = json.loads(sample["json"])
    if said["clip_id"] != key:
        raise differs(f"'s JSON is of {said['clip_id']}")
    if frozen is not None and sample["json"] != encode_json(frozen.samples.get(key, {})):
        raise differs("'s JSON is not what was frozen")
    if hashlib.sha256(sample["flac"]).hexdigest() != said["audio_sha256"]:
        raise differs("'s audio is not the one that its JSON names")
    if frozen is not None and key in frozen.decoded:
        return
    pcm, rate_hz = soundfile.read(io.BytesIO(sample["flac"]), dtype="int16")
    if rate_hz != said["sample_rate_hz"] or len(pcm) != round(said["duration_s"] * rate_hz):
        raise differs(f" decodes to {len(pcm)} samples at {rate_hz} Hz, not {said['duration_s']} s")
