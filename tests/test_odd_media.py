"""Files that lie, and files that are merely odd: each ends as correct audio or as a refusal that says why."""

import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import RATE_HZ, chirp

from include import audio, sandbox, settings

Recording = Callable[..., Path]
NOISE = np.random.default_rng(9).normal(0, 0.1, 20 * RATE_HZ)
COVER = ("-f", "lavfi", "-i", "color=red:s=32x32:d=1")


@pytest.fixture(autouse=True)
def _default_settings() -> Iterator[None]:
    settings.configure()
    yield
    settings.configure()


def ffmpeg(*arguments: object) -> None:
    command = [settings.current().ffmpeg_path, "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


def refusal(path: Path) -> str:
    with pytest.raises(audio.Undecodable) as refused:
        audio.decode(path)
    return str(refused.value)


def cut_off(path: Path, n_bytes: int) -> Path:
    """The file, of which only the beginning is left."""
    path.write_bytes(path.read_bytes()[:n_bytes])
    return path


def wav(path: Path, samples: np.ndarray, rate_hz: int, n_channels: int = 1) -> Path:
    """A WAV of 16 bit whose header says any rate and number of channels."""
    data = samples.astype("<i2").tobytes()
    frame = 2 * n_channels
    sizes = (1, n_channels, rate_hz, rate_hz * frame & 0xFFFFFFFF, frame & 0xFFFF, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, *sizes)
    path.write_bytes(head + b"data" + struct.pack("<I", len(data)) + data)
    return path


def dsf(path: Path, samples: np.ndarray, rate_hz: int = 2_822_400) -> Path:
    """A Direct Stream Digital file: samples of shape (samples,) at `rate_hz`, one bit each, of first order."""
    bits = np.diff(np.floor(np.cumsum((samples + 1) / 2)), prepend=0).astype(np.uint8)
    content = np.packbits(bits, bitorder="little").tobytes()
    content += b"\x69" * (-len(content) % 4096)
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 1, 1, rate_hz, 1, len(samples), 4096, 0)
    head = struct.pack("<4sQQQ", b"DSD ", 28, 28 + 52 + 12 + len(content), 0)
    path.write_bytes(head + form + struct.pack("<4sQ", b"data", 12 + len(content)) + content)
    return path


def without(path: Path, atom: bytes) -> Path:
    """An MP4 in which one of the index's atoms has another name, so that readers pass over it."""
    path.write_bytes(path.read_bytes().replace(atom, b"skip", 1))
    return path


@pytest.mark.parametrize(
    ("name", "samples", "options"),
    [
        ("talk.mp3", NOISE, ()),
        ("talk.flac", NOISE, ()),
        ("talk.m4a", NOISE, ("-movflags", "+faststart", "-c:a", "alac")),
        ("talk.wma", NOISE, ()),
    ],
)
def test_what_announces_seconds_and_holds_none_is_refused_though_ffmpeg_is_content(
    recording: Recording, name: str, samples: np.ndarray, options: tuple[str, ...]
) -> None:
    """An index or header that promises 20 s, and nothing after it."""
    path = recording(name, 20, samples=samples, options=options)
    content = path.read_bytes()
    n_head = {
        "talk.mp3": lambda: content.index(b"Info") + 120,  # its first frame is only about the others
        "talk.flac": lambda: content.index(b"fLaC") + 4 + 4 + 34,
        "talk.m4a": lambda: content.index(b"mdat") + 12,
        "talk.wma": lambda: content.index(bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")) + 50,  # the data object
    }[name]()
    said = refusal(cut_off(path, n_head))
    assert said.startswith("nothing could be decoded: ")
    if name == "talk.m4a":
        assert said.startswith("nothing could be decoded: announces 20 s of audio, none of it is there: ")


def test_a_container_of_nothing_but_a_header_says_so(recording: Recording) -> None:
    for name, mark in (("talk.aiff", b"SSND"), ("talk.wav", b"data")):
        path = recording(name, 1)
        said = refusal(cut_off(path, path.read_bytes().index(mark) + 8))
        assert said.endswith(": its audio stream holds no sound")
    path = without(recording("talk.m4a", 1, options=("-movflags", "+faststart")), b"trak")
    assert refusal(path) == "nothing could be decoded: a container without a stream"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.mp3", b"", "the file is empty"),
        ("fLaC.flac", b"fLaC", "it ends before its audio begins"),
        ("page.webm", b"\n<!DOCTYPE html><html><body>404</body></html>", "a page of text, no recording"),
        ("junk.x", b"\1\2\3\4" * 99, "damaged at its beginning, or no recording at all"),
        ("text.mp4", b"Just a text.\n" * 100, "moov atom not found"),
        ("picture.aiff", b"FORM" + struct.pack(">I", 900) + b"ILBMBMHD" + bytes(900), "no kind of file that is taken"),
        ("tags.mp3", b"ID3\x03\0\0\0\0\x0f\x76" + bytes(2000), "Failed to find two consecutive MPEG audio frames."),
    ],
)
def test_what_is_no_recording_is_refused_in_plain_words(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name) == f"nothing could be decoded: {reason}"


@pytest.mark.parametrize("name", ["cover.png", "cover.jpg", "cover.bmp", "cover.gif"])
def test_an_image_is_refused_under_whatever_name(tmp_path: Path, name: str) -> None:
    ffmpeg(*COVER, "-frames:v", 1, tmp_path / name)
    disguised = (tmp_path / name).rename(tmp_path / "talk.mp3")
    assert refusal(disguised) == "nothing could be decoded: no kind of file that is taken"


@pytest.mark.parametrize("name", ["cover.m4a", "video.mp4", "video.webm"])
def test_a_picture_without_sound_is_told(tmp_path: Path, name: str) -> None:
    ffmpeg(*COVER, *(("-frames:v", 1, "-c:v", "mjpeg", "-f", "mp4") if name == "cover.m4a" else ()), tmp_path / name)
    assert refusal(tmp_path / name) == "no audio stream"


@pytest.mark.parametrize("suffix", ["m4a", "mp3", "flac", "mka"])
def test_a_cover_beside_the_sound_is_no_bother(recording: Recording, tmp_path: Path, suffix: str) -> None:
    cover, covered = tmp_path / "cover.png", tmp_path / f"covered.{suffix}"
    ffmpeg(*COVER, "-frames:v", 1, cover)
    attached = ("-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic")
    ffmpeg("-i", recording("talk.wav", 3), "-i", cover, *attached, covered)
    decoded = audio.decode(covered)
    assert decoded.duration_s == pytest.approx(3, abs=0.05)
    assert decoded.warning is None  # the picture's codec was refused, and that is nobody's concern


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "flac", "ogg", "webm", "wav", "aiff", "wma", "ts", "amr", "mka"])
def test_a_wrong_name_does_not_matter(recording: Recording, suffix: str) -> None:
    options = ("-ar", "8000", "-ac", "1", "-c:a", "libopencore_amrnb") if suffix == "amr" else ()
    path = recording(f"talk.{suffix}", 4, options=options)
    disguised = path.rename(path.with_name("talk.mp4" if suffix == "mp3" else "talk.mp3"))
    decoded = audio.decode(disguised)
    assert decoded.duration_s == pytest.approx(4, abs=0.15)
    middle = decoded.read(1000, 3000)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.3)


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "webm", "flac", "wav", "ts", "aac", "aiff"])
def test_a_truncated_file_gives_what_there_is(recording: Recording, suffix: str) -> None:
    path = recording(f"talk.{suffix}", 12)
    decoded = audio.decode(cut_off(path, path.stat().st_size // 2))
    assert 4 < decoded.duration_s < 8
    assert np.abs(decoded.read(0, 4000)).max() > 0.2


@pytest.mark.parametrize("n_channels", [3, 4, 5, 6, 8, 9, 12])
def test_many_channels_are_folded_whatever_they_are_called(tmp_path: Path, n_channels: int) -> None:
    """A WAV that does not say where its speakers stand."""
    path = wav(tmp_path / "talk.wav", np.repeat(chirp(8) * 30_000, n_channels), RATE_HZ, n_channels)
    decoded = audio.decode(path)
    assert (decoded.n_channels, decoded.n_samples) == (n_channels, 8 * RATE_HZ)
    assert np.abs(decoded.read(0, 8000) - chirp(8) * 30_000 / 32_768).max() < 0.01
    assert len(decoded.fingerprint) > 30
    assert decoded.warning is None


def test_direct_stream_digital_is_heard(tmp_path: Path) -> None:
    path = dsf(tmp_path / "talk.dsf", chirp(1, 2_822_400))
    decoded = audio.decode(path)
    assert decoded.duration_s == pytest.approx(1, abs=0.01)
    samples = decoded.read(100, 900)
    expected = chirp(1)[2400 : 2400 + len(samples)]
    assert np.corrcoef(samples, expected)[0, 1] > 0.95


@pytest.mark.parametrize(
    ("rate_hz", "reason"),
    [
        (1, "too_large: longer than 30 s"),
        (0, "nothing could be decoded: Invalid sample rate: 0"),
        (2**32 - 1, "nothing could be decoded: Invalid sample rate: -1"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(tmp_path: Path, rate_hz: int, reason: str) -> None:
    settings.configure(max_source_s=30.0)
    assert refusal(wav(tmp_path / "talk.wav", np.ones(50_000) * 100, rate_hz)).startswith(reason)


@pytest.mark.parametrize("n_channels", [64, 65_535])
def test_channels_without_number_are_too_large(tmp_path: Path, n_channels: int) -> None:
    path = wav(tmp_path / "talk.wav", np.ones(10 * n_channels), RATE_HZ, n_channels)
    assert refusal(path) == f"too_large: {n_channels} channels"


@pytest.mark.parametrize("suffix", ["mka", "mp4", "ts"])
def test_streams_without_number_are_too_large(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"many.{suffix}"
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", *["-map", "0:a"] * (sandbox.MAX_STREAMS + 1), "-c:a", "aac", path)
    assert refusal(path) == f"too_large: more than {sandbox.MAX_STREAMS} streams"


@pytest.mark.parametrize(
    ("suffix", "codec"), [("flac", "flac"), ("m4a", "alac"), ("ogg", "libopus"), ("mka", "wavpack")]
)
def test_a_small_file_of_endless_silence_is_too_large(tmp_path: Path, suffix: str, codec: str) -> None:
    settings.configure(max_source_s=100.0)
    path = tmp_path / f"bomb.{suffix}"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=900", "-c:a", codec, path)
    assert path.stat().st_size < 300_000
    assert refusal(path) == "too_large: longer than 100 s"


def test_a_hole_of_a_month_does_not_become_a_month_of_silence(tmp_path: Path) -> None:
    settings.configure(max_source_s=30.0)
    path = tmp_path / "hole.mka"
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", "-af", "asetpts='if(gt(T,1),PTS+44100*3000000,PTS)'", "-c:a", "flac", path)
    decoded = audio.decode(path)
    assert decoded.duration_s < 31
    assert decoded.warning is not None
    assert decoded.warning.startswith("announces 3")


def test_a_codec_that_recordings_do_not_have_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "odd.mka"
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "real_144", "-ar", 8000, "-ac", 1, path)
    assert refusal(path).endswith(": its codec, real_144, is not taken")


def test_a_phase_inverted_talk_keeps_its_measures(recording: Recording, tmp_path: Path) -> None:
    talk = settings.ROOT / "samples" / "media" / "exam_result.mp4"
    plain, inverted = tmp_path / "plain.wav", tmp_path / "inverted.wav"
    ffmpeg("-i", talk, "-ac", 1, plain)
    ffmpeg("-i", plain, "-af", "pan=stereo|c0=c0|c1=-1*c0", inverted)
    first, second = audio.decode(plain), audio.decode(inverted)
    assert second.track.speech() == first.track.speech()
    assert second.loudness_lufs == pytest.approx(first.loudness_lufs, abs=0.01)
    assert np.array_equal(second.fingerprint, first.fingerprint)


def measures_of(path: Path) -> dict[str, Any]:
    from include import measures

    decoded = audio.decode(path)
    return measures.measure(decoded.read(0, decoded.duration_s * 1000), decoded, 0.0, decoded.track.speech())


def test_a_file_of_8_khz_has_half_of_that_as_its_bandwidth(recording: Recording) -> None:
    path = recording("low.wav", 5, samples=NOISE[: 5 * RATE_HZ], options=("-ar", "8000"))
    assert soundfile.info(path).samplerate == 8000
    assert measures_of(path)["bandwidth_hz"] == pytest.approx(4000, rel=0.1)
