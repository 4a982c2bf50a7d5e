import struct
from pathlib import Path

import pytest

from include import priming


def box(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def track(kind: bytes, media_time: int | None, version: int = 0) -> bytes:
    """A track of an MP4's index, whose edit list begins at `media_time`."""
    handler = box(b"hdlr", bytes(8) + kind + bytes(12))
    if media_time is None:
        return box(b"trak", handler)
    edit = struct.pack(">Qqi" if version else ">Iii", 0, media_time, 1 << 16)
    return box(b"trak", box(b"edts", box(b"elst", bytes([version, 0, 0, 0]) + struct.pack(">I", 1) + edit)) + handler)


def file(path: Path, *inside: bytes) -> Path:
    path.write_bytes(box(b"ftyp", b"iso5") + box(b"moov", b"".join(inside)) + box(b"mdat", bytes(64)))
    return path


@pytest.mark.parametrize(
    ("inside", "is_unsaid"),
    [
        ((track(b"soun", None), box(b"mvex")), True),
        ((track(b"soun", 0), box(b"mvex")), True),
        ((track(b"soun", -1, version=1), box(b"mvex")), True),
        ((track(b"soun", 1024), box(b"mvex")), False),
        ((track(b"soun", 1024, version=1), box(b"mvex")), False),
        ((track(b"vide", 512), track(b"soun", 0), box(b"mvex")), True),  # a picture's edit list is not the sound's
        ((track(b"soun", None), box(b"mvex"), b"iTunSMPB"), False),
        ((track(b"soun", None),), False),  # not in fragments
        ((), False),
    ],
)
def test_a_fragmented_file_tells_of_its_delay_or_does_not(
    tmp_path: Path, inside: tuple[bytes, ...], is_unsaid: bool
) -> None:
    path = file(tmp_path / "talk.mp4", *inside)
    found = priming.unsaid_s(path, "mov,mp4,m4a,3gp,3g2,mj2", "aac (LC) (mp4a / 0x6134706D)", 48_000)
    assert found == (1024 / 48_000 if is_unsaid else 0)


@pytest.mark.parametrize("content", [b"", b"\0", bytes(64), b"\0\0\0\1moov\0\0", b"\xff\xff\xff\xffmoov" + bytes(99)])
def test_a_file_that_is_none_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "talk.mp4").write_bytes(content)
    assert priming.unsaid_s(tmp_path / "talk.mp4", "mov,mp4", "aac (LC)", 48_000) == 0


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz", "delay_s"),
    [
        ("mpegts", "aac (LC) ([15][0][0][0] / 0x000F)", 24_000, 1024 / 24_000),
        ("aac", "aac (LC)", 44_100, 1024 / 44_100),
        ("mpegts", "mp2", 48_000, 0),
        ("mpegts", "aac (HE-AAC)", 48_000, 0),
        ("matroska,webm", "aac (LC)", 48_000, 0),  # has CodecDelay
        ("mpegts", "aac (LC)", 0, 0),
    ],
)
def test_only_what_cannot_tell_is_assumed(container: str, codec: str, rate_hz: int, delay_s: float) -> None:
    assert priming.unsaid_s(Path("none"), container, codec, rate_hz) == delay_s
