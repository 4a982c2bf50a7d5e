import io
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE_HZ, chirp
from numpy.typing import NDArray

from include import audio, settings

Recording = Callable[..., Path]


@pytest.fixture(autouse=True)
def _default_settings() -> Iterator[None]:
    settings.configure()
    yield
    settings.configure()


VIDEO = ("-f", "lavfi", "-i", "testsrc=duration=12:size=64x48:rate=25", "-map", "0:a", "-map", "1:v", "-shortest")


def error_ms(samples: NDArray[np.int16], start_ms: int) -> float:
    """How far a cut of the 12 s chirp is from where it should be: the lag of the best match within ±0.3 s."""
    margin = int(0.3 * RATE_HZ)
    samples = samples[: RATE_HZ // 2]
    start = start_ms * RATE_HZ // 1000
    around = chirp(13)[start - margin : start + margin + len(samples)]
    best = np.argmax(np.correlate(around, samples.astype(float), "valid"))
    return float(abs(best - margin) * 1000 / RATE_HZ)


def samples_of(path: Path) -> NDArray[np.int16]:
    """What decoding gives, as an array that outlives the file."""
    return np.array(audio.decode(path))


def ffmpeg(*arguments: object) -> None:
    command = [settings.current().ffmpeg_path, "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("talk.m4a", ()),
        ("talk.webm", ()),
        ("talk.mp3", ()),
        ("talk.ogg", ()),
        ("talk.mp4", VIDEO),
        ("talk.mkv", (*VIDEO, "-ar", "44100")),
    ],
)
def test_a_cut_is_where_it_should_be(recording: Recording, name: str, options: tuple[str, ...]) -> None:
    pcm = audio.decode(recording(name, 12, options=options))
    for start_ms in (500, 5_250, 10_001):
        samples = audio.cut(pcm, start_ms, start_ms + 1500)
        assert len(samples) == 1500 * RATE_HZ // 1000
        assert error_ms(samples, start_ms) <= 5


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_sound_that_begins_after_the_picture_is_cut_at_the_players_times(
    recording: Recording, tmp_path: Path, suffix: str
) -> None:
    late = tmp_path / f"late.{suffix}"
    ffmpeg(*VIDEO[:4], "-itsoffset", "0.5", "-i", recording("talk.wav", 11), late)
    samples = audio.cut(audio.decode(late), 3500, 5000)
    assert error_ms(samples, 3000) <= 5


def test_two_decodings_give_the_same_bytes(recording: Recording) -> None:
    path = recording("talk.webm", 3)
    assert audio.encode_flac(samples_of(path)) == audio.encode_flac(samples_of(path))


def test_flac_holds_the_very_samples_and_no_words(recording: Recording) -> None:
    samples = audio.cut(audio.decode(recording("talk.m4a", 3, options=("-metadata", "title=Secret"))), 1000, 2500)
    flac = audio.encode_flac(samples)
    read, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16")
    assert (rate_hz, read.shape) == (RATE_HZ, (36_000,))
    assert np.array_equal(read, samples)
    assert soundfile.info(io.BytesIO(flac)).subtype == "PCM_16"
    assert b"Secret" not in flac


def test_a_recording_without_sound_is_refused(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    ffmpeg(*VIDEO[:4], "-t", "1", silent)
    with pytest.raises(audio.Undecodable, match=r"^no audio stream$"):
        audio.decode(silent)


def test_a_recording_that_breaks_off_gives_what_there_is(recording: Recording, tmp_path: Path) -> None:
    whole = recording("talk.webm", 12).read_bytes()
    half = tmp_path / "half.webm"
    half.write_bytes(whole[: len(whole) // 2])
    pcm = audio.decode(half)
    assert 4 < len(pcm) / RATE_HZ < 8
    assert error_ms(audio.cut(pcm, 2000, 3500), 2000) <= 5
    with pytest.raises(audio.Undecodable, match=r"past the end: the recording has \d\.\d\d s"):
        audio.cut(pcm, 9000, 10_000)


def test_a_recording_whose_index_is_missing_is_refused(recording: Recording, tmp_path: Path) -> None:
    whole = recording("talk.mp4", 5).read_bytes()
    half = tmp_path / "half.mp4"
    half.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(audio.Undecodable, match=r"^nothing could be decoded: moov atom not found$"):
        audio.decode(half)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("talk.mp4", b""),
        ("talk.mp3", b"\0"),
        ("talk.mp4", b"Just a text.\n" * 100),
        ("-talk.webm", b"<html><body>404</body></html>"),
        ("a:b,c'd%d.mp3", b"ftyp" * 99),
    ],
)
def test_what_is_no_recording_is_refused_whatever_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(audio.Undecodable) as refusal:
        audio.decode(tmp_path / name)
    assert str(refusal.value).startswith("nothing could be decoded: ")
    assert "@ 0x" not in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


@pytest.mark.parametrize("name", ["a:b.mp3", "-i.mp3", "%d,'x.mp3"])
def test_a_name_that_means_something_to_ffmpeg_is_a_name(recording: Recording, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(recording("talk.mp3", 1).read_bytes())
    assert len(audio.decode(path)) == RATE_HZ


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8"])
@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile secret.wav\n",
        "ffconcat version 1.0\nfile '{folder}/secret.wav'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{folder}/secret.ts\n#EXT-X-ENDLIST\n",
        '<?xml version="1.0"?><MPD type="static" mediaPresentationDuration="PT2S"><Period><AdaptationSet>'
        '<Representation id="1" mimeType="audio/wav" bandwidth="1"><BaseURL>secret.wav</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
    ],
)
def test_a_file_that_names_another_file_does_not_make_it_read(
    recording: Recording, tmp_path: Path, name: str, content: str
) -> None:
    folder = recording("secret.ts" if "secret.ts" in content else "secret.wav", 2).parent
    (folder / name).write_text(content.format(folder=folder))
    with pytest.raises(audio.Undecodable):
        audio.decode(folder / name)
    assert not (folder / f"{name}.pcm").exists()


def test_stereo_folds_to_mono(recording: Recording) -> None:
    both = np.stack([chirp(2), np.zeros(2 * RATE_HZ)], axis=1)
    samples = audio.decode(recording("talk.flac", 2, samples=both))
    assert np.abs(samples / 32768 - chirp(2) / 2).max() < 0.01


def test_the_centre_of_5_1_stays_audible(recording: Recording) -> None:
    channels = np.zeros((2 * RATE_HZ, 6))
    channels[:, 2] = chirp(2)
    samples = audio.decode(recording("talk.m4a", 2, samples=channels, options=("-b:a", "256k")))
    assert len(samples) == 2 * RATE_HZ
    assert np.sqrt(np.mean((samples[: len(chirp(2))] / 32768) ** 2)) > 0.04


def test_a_telephones_rate_is_resampled(recording: Recording) -> None:
    path = recording("talk.wav", 12, options=("-ar", "8000"))
    assert soundfile.info(path).samplerate == 8000
    pcm = audio.decode(path)
    assert len(pcm) == 12 * RATE_HZ
    assert error_ms(audio.cut(pcm, 6000, 8000), 6000) <= 5


def test_levels_are_against_full_scale() -> None:
    square = np.array([16_384, -16_384] * 100, np.int16)
    assert audio.measure(square) == {"peak_dbfs": -6.02, "rms_dbfs": -6.02}
    assert audio.measure(np.array([-32_768, 0], np.int16)) == {"peak_dbfs": 0.0, "rms_dbfs": -3.01}


def test_silence_has_no_level(recording: Recording) -> None:
    pcm = audio.decode(recording("silence.wav", 1, samples=np.zeros(RATE_HZ)))
    assert audio.measure(pcm) == {"peak_dbfs": None, "rms_dbfs": None}


@pytest.mark.parametrize(("start_ms", "end_ms"), [(9000, 10_251), (10_100, 10_200), (10_000, 10_100), (45_000, 53_000)])
def test_a_window_past_the_end_is_refused(start_ms: int, end_ms: int) -> None:
    with pytest.raises(audio.Undecodable, match=r"past the end: the recording has 10\.00 s"):
        audio.cut(np.ones(10 * RATE_HZ, np.int16), start_ms, end_ms)


def test_a_window_slightly_past_the_end_keeps_its_true_length() -> None:
    assert len(audio.cut(np.ones(10 * RATE_HZ, np.int16), 9000, 10_250)) == RATE_HZ


def test_a_recording_over_the_limit_is_refused_without_being_decoded_whole(recording: Recording) -> None:
    path = recording("talk.flac", 12)
    settings.configure(max_source_s=2.0)
    with pytest.raises(audio.Undecodable, match=r"^longer than 2 s$"):
        audio.decode(path)
    assert path.with_name("talk.flac.pcm").stat().st_size <= 3 * RATE_HZ * 2
    settings.configure(max_source_s=12.0)
    assert len(audio.decode(path)) == 12 * RATE_HZ


def test_ffmpeg_is_stopped_when_its_time_is_over(tmp_path: Path) -> None:
    hanging = tmp_path / "ffmpeg"
    hanging.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    hanging.chmod(0o755)
    settings.configure(ffmpeg=str(hanging), decode_timeout_s=0.3)
    started_at = time.monotonic()
    with pytest.raises(audio.Undecodable, match=r"not decoded within 0\.3 s"):
        audio.decode(tmp_path / "talk.mp4")
    assert time.monotonic() - started_at < 10


@pytest.mark.parametrize(
    ("complaint", "said"),
    [
        ("", ""),
        ("\n \n", ""),
        ("[in#0 @ 0x5588ed8302c0] moov atom not found\nError opening input files: Invalid data", "moov atom not found"),
        ("[aist#0:0/aac @ 0x1a] [dec:aac @ 0x2b] Error submitting packet", "Error submitting packet"),
        ("x" * 999, "x" * 300),
    ],
)
def test_the_first_complaint_is_what_is_said(complaint: str, said: str) -> None:
    assert audio._first_line(complaint) == said
