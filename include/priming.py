"""What an AAC decoder gives before the sound begins, where the container has no word for it.

Each AAC block overlaps the one before it, so that a decoder's first 1,024 samples are not of the recording (Apple
Technical Note TN2258, "AAC Audio - Encoder Delay and Synchronization"). An MP4's edit list, or iTunes' tag, lets ffmpeg
leave them out. HLS carries AAC without either: its sound would be 21 ms late at 48 kHz, 43 ms at 24 kHz.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

AAC_BLOCK = 1024  # samples
MAX_INDEX_BYTES = 1 << 20  # of a fragmented file's `moov`, which says little; a longer one is not looked at


def unsaid_s(path: Path, container: str, codec: str, rate_hz: int) -> float:
    """Seconds before the sound of a stream, of which ffmpeg (by whose names it goes) was not told.

    Only AAC-LC is known here, in MPEG-TS, ADTS, and fragmented MP4 without an edit list for its sound; 0 otherwise.
    """
    if not codec.startswith("aac (LC)") or rate_hz <= 0:
        return 0.0
    if container in ("mpegts", "aac"):
        return AAC_BLOCK / rate_hz
    if "mp4" in container.split(",") and _is_fragmented_without_edits(path):
        return AAC_BLOCK / rate_hz
    return 0.0


def _is_fragmented_without_edits(path: Path) -> bool:
    """Whether an MP4 is in fragments, and says of no sound where it begins."""
    with path.open("rb") as stream:
        index = next((_content(stream, n_bytes) for name, n_bytes in _boxes(stream) if name == b"moov"), b"")
    if b"mvex" not in index or b"iTunSMPB" in index:
        return False
    tracks = index.split(b"trak")[1:]
    return not any(_begins_later(track) for track in tracks if b"soun" in track)


def _begins_later(track: bytes) -> bool:
    """Whether a track's edit list leaves out its beginning (ISO/IEC 14496-12, 8.6.6)."""
    at = track.find(b"elst")
    if at < 0 or len(track) < at + 28:
        return False
    is_long = track[at + 4] == 1
    (media_time,) = struct.unpack_from(">q" if is_long else ">i", track, at + (20 if is_long else 16))
    return bool(media_time > 0)


def _boxes(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Names and content lengths of a file's outer boxes, `stream` standing where the content begins."""
    at = 0
    while len(head := stream.read(8)) == 8:
        n_bytes, name = struct.unpack(">I4s", head)
        n_head = 8
        if n_bytes == 1:
            n_bytes, n_head = struct.unpack(">Q", stream.read(8).rjust(8, b"\0"))[0], 16
        if n_bytes < n_head:
            return  # to the end of the file, or nonsense
        yield name, n_bytes - n_head
        at += n_bytes
        stream.seek(at)


def _content(stream: IO[bytes], n_bytes: int) -> bytes:
    return stream.read(n_bytes) if n_bytes <= MAX_INDEX_BYTES else b""
