"""Shards: tars of samples whose bytes hang on their content alone, and the proof that they read back.

A sample is two members side by side, `<clip_id>.flac` and `<clip_id>.json`, in plain USTAR with fixed header
fields, so that the same samples give the same bytes on any day and machine.
"""

import hashlib
import io
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from include import store

log = logging.getLogger(__name__)

BLOCK_BYTES = 512


class Damaged(Exception):
    """A shard does not hold what it must; the message names the shard, the sample and the difference."""


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
    members: dict[str, dict[str, Member]] = field(default_factory=dict)


class _HashedStream(io.RawIOBase):
    """Passes bytes on to `stream`, hashing and counting them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.hash = hashlib.sha256()
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.hash.update(content)
        self.size_bytes += len(content)
        return self._stream.write(content)


def encode_json(sample: dict[str, Any]) -> bytes:
    """A sample's JSON member: sorted keys, so that equal samples are equal bytes."""
    return json.dumps(sample, ensure_ascii=False, sort_keys=True, allow_nan=False).encode()


def write(path: str, samples: Iterable[tuple[str, bytes, dict[str, Any]]]) -> Written:
    """Write samples (clip id, FLAC, JSON object) as a shard at `path` in the store, whole or not at all."""
    from webdataset import TarWriter

    written = Written()
    with store.open_atomic(path) as stream:
        hashed = _HashedStream(stream)
        # An integer mtime: with a float each member gets a PAX header, which makes every reader slower.
        with TarWriter(hashed, encoder=False, mtime=0) as writer:
            offset_bytes = 0
            for clip_id, flac, sample in samples:
                content = {"flac": flac, "json": encode_json(sample)}
                writer.write({"__key__": clip_id, **content})
                places = {}
                for kind in sorted(content):
                    places[kind] = Member(offset_bytes + BLOCK_BYTES, len(content[kind]))
                    offset_bytes += BLOCK_BYTES + -(-len(content[kind]) // BLOCK_BYTES) * BLOCK_BYTES
                written.members[clip_id] = places
        written.n_samples = len(written.members)
        written.size_bytes = hashed.size_bytes
        written.sha256 = hashed.hash.hexdigest()
    return written


def read(stream: IO[bytes], name: str) -> Iterator[dict[str, Any]]:
    """Samples of a shard as `webdataset` reads them: `__key__`, `flac` and `json` as bytes."""
    from webdataset.tariterators import group_by_keys, tar_file_expander

    yield from group_by_keys(tar_file_expander([{"url": name, "stream": stream}]))


def verify(stream: IO[bytes], name: str, *, n_samples: int, sha256: str) -> None:
    """Read a shard back with `webdataset`, hash it, and decode every clip. Raises Damaged.

    The hash finds any changed byte; reading and decoding prove that what was hashed was right when written.
    """
    content = stream.read()
    found_sha256 = hashlib.sha256(content).hexdigest()
    if found_sha256 != sha256:
        raise Damaged(f"{name}: its SHA-256 is {found_sha256}, the manifest says {sha256}")
    keys = set()
    for sample in read(io.BytesIO(content), name):
        _verify_sample(sample, name)
        if sample["__key__"] in keys:
            raise Damaged(f"{name}: {sample['__key__']} stands in it twice")
        keys.add(sample["__key__"])
    if len(keys) != n_samples:
        raise Damaged(f"{name}: {len(keys)} samples, the manifest says {n_samples}")


def _verify_sample(sample: dict[str, Any], name: str) -> None:
    """One sample: both members, its own id, the audio its JSON names, of the length it names."""
    import soundfile

    key = sample["__key__"]
    fields = {kind for kind in sample if not kind.startswith("__")}
    if fields != {"flac", "json"}:
        raise Damaged(f"{name}: {key} has members {sorted(fields)}, not flac and json")
    said = json.loads(sample["json"])
    if said["clip_id"] != key:
        raise Damaged(f"{name}: {key}'s JSON is of {said['clip_id']}")
    if hashlib.sha256(sample["flac"]).hexdigest() != said["audio_sha256"]:
        raise Damaged(f"{name}: {key}'s audio is not the one that its JSON names")
    pcm, rate_hz = soundfile.read(io.BytesIO(sample["flac"]), dtype="int16")
    if rate_hz != said["sample_rate_hz"] or len(pcm) != round(said["duration_s"] * rate_hz):
        raise Damaged(f"{name}: {key} decodes to {len(pcm)} samples at {rate_hz} Hz, not {said['duration_s']} s")
