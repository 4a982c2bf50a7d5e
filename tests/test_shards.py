import hashlib
import io
import json
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import webdataset

from include import ids, settings, shards, store

PATH = "releases/x/train/000000.tar"
Sample = tuple[str, bytes, dict[str, Any]]


def sample(clip_id: str, duration_s: float = 0.1) -> Sample:
    pcm = np.random.default_rng(len(clip_id)).integers(-99, 99, int(duration_s * 24_000), np.int16)
    flac = io.BytesIO()
    soundfile.write(flac, pcm, 24_000, format="FLAC", subtype="PCM_16")
    content = flac.getvalue()
    said = {
        "clip_id": clip_id, "sample_rate_hz": 24_000, "duration_s": duration_s, "transcription": "Çà et là",
        "audio_sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    return clip_id, content, said


SAMPLES = [sample("youtube-a-0-100"), sample("youtube-bb-0-200", 0.2), sample("generic-c_c-0-100")]


def write(samples: list[Sample]) -> tuple[shards.Written, bytes]:
    written = shards.write(PATH, samples)
    return written, store.read_bytes(PATH)


def verify(content: bytes, written: shards.Written) -> None:
    shards.verify(io.BytesIO(content), "000000.tar", n_samples=written.n_samples, sha256=written.sha256)


def headers(content: bytes) -> Iterator[bytes]:
    offset = 0
    while content[offset : offset + 512].strip(b"\0"):
        header = content[offset : offset + 512]
        yield header
        offset += 512 + -(-int(header[124:135], 8) // 512) * 512


def test_a_shard_is_plain_ustar_without_a_time(pipeline: settings.Settings) -> None:
    _, content = write(SAMPLES)
    found = list(headers(content))
    assert len(found) == 2 * len(SAMPLES)
    assert {header[257:263] for header in found} == {b"ustar\0"}
    assert {header[156:157] for header in found} == {b"0"}  # plain files; a PAX header is x or g
    assert {int(header[136:147], 8) for header in found} == {0}


def test_the_same_samples_are_the_same_bytes(pipeline: settings.Settings) -> None:
    first, content = write(SAMPLES)
    again, content_again = write([(key, flac, dict(reversed(said.items()))) for key, flac, said in SAMPLES])
    assert (first, content) == (again, content_again)
    assert (len(content), hashlib.sha256(content).hexdigest()) == (first.size_bytes, first.sha256)


def test_webdataset_reads_what_was_written(pipeline: settings.Settings, tmp_path: Path) -> None:
    write(SAMPLES)
    dataset = webdataset.WebDataset(str(tmp_path / "store" / PATH), shardshuffle=False).decode()
    assert [(s["__key__"], s["flac"], s["json"]) for s in dataset] == SAMPLES


def test_json_fills_its_blocks_so_that_readers_skip_nothing_after_it(pipeline: settings.Settings) -> None:
    _, content = write(SAMPLES)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        texts = [tar.extractfile(member).read() for member in tar if member.name.endswith(".json")]  # type: ignore[union-attr]
    assert all(len(text) % tarfile.BLOCKSIZE == 0 for text in texts)
    assert [json.loads(text) for text in texts] == [said for _, _, said in SAMPLES]


def test_a_range_read_gives_the_member(pipeline: settings.Settings) -> None:
    url = "http://a.example/" + "n" * 90
    long = ids.clip_id(ids.source_id(url, "e" * 60, "n" * 60), 999_970_000, 1_000_000_000)  # as long as they get
    samples = [SAMPLES[0], sample(long), *SAMPLES[1:]]
    written, content = write(samples)
    for clip_id, flac, said in samples:
        places = written.members[clip_id]
        read = {kind: content[m.offset_bytes : m.offset_bytes + m.size_bytes] for kind, m in places.items()}
        assert read == {"flac": flac, "json": shards.encode_json(said)}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.getnames()[2] == f"{long}.flac"
    assert b"PaxHeader" not in content
    verify(content, written)


def test_a_crash_leaves_no_shard(pipeline: settings.Settings) -> None:
    def crash() -> Iterator[Sample]:
        yield SAMPLES[0]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        shards.write(PATH, crash())
    assert store.paths_below("releases") == []


def test_what_json_has_no_word_for_is_not_written(pipeline: settings.Settings) -> None:
    clip_id, flac, said = SAMPLES[0]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write([(clip_id, flac, {**said, "arousal_mean": float("nan")})])


def test_a_whole_shard_passes(pipeline: settings.Settings) -> None:
    written, content = write(SAMPLES)
    verify(content, written)


def test_any_changed_byte_is_found(pipeline: settings.Settings) -> None:
    written, content = write(SAMPLES)
    flipped = bytearray(content)
    flipped[700] ^= 1
    for damaged in (bytes(flipped), content[:-600], content[:100], b"", content + b"\0"):
        with pytest.raises(shards.Damaged, match=r"000000\.tar: its SHA-256 is"):
            verify(damaged, written)


def changed(index: int, **said: Any) -> list[Sample]:
    return [(k, f, {**s, **said}) if n == index else (k, f, s) for n, (k, f, s) in enumerate(SAMPLES)]


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (changed(1, clip_id="youtube-zz-0-200"), "youtube-bb-0-200's JSON is of youtube-zz-0-200"),
        ([(SAMPLES[0][0], SAMPLES[1][1], SAMPLES[0][2])], "youtube-a-0-100's audio is not the one"),
        (changed(1, duration_s=0.3), "youtube-bb-0-200 decodes to 4800 samples at 24000 Hz, not 0.3 s"),
        (changed(1, sample_rate_hz=48_000), "youtube-bb-0-200 decodes to 4800 samples at 24000 Hz"),
        ([("a", b"no FLAC", {**SAMPLES[0][2], "clip_id": "a", "audio_sha256": hashlib.sha256(b"no FLAC").hexdigest()})],
         "LibsndfileError"),
        ([("a", b"", {"clip_id": "a"})], "KeyError: 'audio_sha256'"),
        ([SAMPLES[0], SAMPLES[0]], "duplicate file name"),
        ([SAMPLES[0], SAMPLES[1], SAMPLES[0]], "youtube-a-0-100 stands in it twice"),
    ],
)  # fmt: skip
def test_what_was_written_wrong_is_found(pipeline: settings.Settings, samples: list[Sample], reason: str) -> None:
    written, content = write(samples)
    with pytest.raises(shards.Damaged, match=reason):
        verify(content, written)


def test_a_wrong_count_is_found(pipeline: settings.Settings) -> None:
    written, content = write(SAMPLES)
    written.n_samples = 4
    with pytest.raises(shards.Damaged, match="3 samples, the manifest says 4"):
        verify(content, written)


@pytest.mark.parametrize("kept", ["flac", "json"])
def test_a_missing_member_is_found(pipeline: settings.Settings, kept: str) -> None:
    clip_id, flac, said = SAMPLES[0]
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        member = {"flac": flac, "json": json.dumps(said).encode()}[kept]
        header = tarfile.TarInfo(f"{clip_id}.{kept}")
        header.size = len(member)
        tar.addfile(header, io.BytesIO(member))
    written = shards.Written(n_samples=1, sha256=hashlib.sha256(content.getvalue()).hexdigest())
    with pytest.raises(shards.Damaged, match=rf"{clip_id} has members \['{kept}'\]"):
        verify(content.getvalue(), written)


def interleaved(samples: list[Sample]) -> bytes:
    """A shard of all audio, then all JSON: what tools that sort by suffix make."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for kind in ("flac", "json"):
            for clip_id, flac, said in samples:
                member = flac if kind == "flac" else shards.encode_json(said)
                header = tarfile.TarInfo(f"{clip_id}.{kind}")
                header.size = len(member)
                tar.addfile(header, io.BytesIO(member))
    return content.getvalue()


def test_interleaved_members_are_found_whatever_the_hash(pipeline: settings.Settings) -> None:
    written, _ = write(SAMPLES)
    damaged = interleaved(SAMPLES)
    with pytest.raises(shards.Damaged, match="its SHA-256 is"):
        verify(damaged, written)
    written.sha256 = hashlib.sha256(damaged).hexdigest()
    with pytest.raises(shards.Damaged, match=r"has members \['flac'\], not flac and json"):
        verify(damaged, written)


def test_a_shard_is_verified_a_sample_at_a_time(pipeline: settings.Settings) -> None:
    samples = [sample(f"youtube-{n}-0-1000", 1.0) for n in range(60)]
    written, content = write(samples)
    stream = io.BytesIO(content)
    tracemalloc.start()
    shards.verify(stream, "000000.tar", n_samples=60, sha256=written.sha256)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < len(content) / 3


@pytest.mark.parametrize(
    ("name", "size_bytes"),
    [("youtube-a-0-100.flac", 123_456), ("é.json", 0), ("x" * 100, 8**11 - 1), ("folder/" + "x" * 99, 1)],
)
def test_a_header_is_that_of_tarfile(name: str, size_bytes: int) -> None:
    wanted = tarfile.TarInfo(name)
    wanted.size, wanted.mtime, wanted.mode = size_bytes, 0, 0o444
    assert shards._header(name, size_bytes) == wanted.tobuf(tarfile.USTAR_FORMAT)
