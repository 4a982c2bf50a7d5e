import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RATE_HZ, chirp
from test_loudness import ebur128

from include import audio, measures, settings

Recording = Callable[..., Path]
NOISE = np.random.default_rng(5).normal(0, 0.1, 5 * RATE_HZ)


@pytest.fixture(autouse=True)
def _default_settings() -> Iterator[None]:
    settings.configure()
    yield
    settings.configure()


def measure(path: Path, speech: list[tuple[float, float]] | None = None, start_s: float = 0.0) -> dict[str, Any]:
    recording = audio.decode(path)
    samples = recording.read(start_s * 1000, recording.n_samples * 1000 / RATE_HZ)
    return measures.measure(samples, recording, start_s, speech or [])


def test_levels_are_against_full_scale(recording: Recording) -> None:
    square = np.tile([0.5, 0.5, -0.5, -0.5] * 10, RATE_HZ // 40)
    found = measure(recording("square.wav", 1, samples=square))
    assert found["peak_dbfs"] == pytest.approx(-6.02, abs=0.1)
    assert found["rms_dbfs"] == pytest.approx(-6.02, abs=0.1)


def test_silence_has_no_level(recording: Recording) -> None:
    found = measure(recording("silence.wav", 4, samples=np.zeros(4 * RATE_HZ)))
    nothing = ("peak_dbfs", "rms_dbfs", "loudness_lufs", "loudness_range_lu", "true_peak_dbtp", "bandwidth_hz")
    assert all(found[name] is None for name in nothing)
    assert (found["clipped_share"], found["speech_share"], found["longest_pause_s"]) == (0, 0, 4)


@pytest.mark.parametrize(("rate_hz", "bandwidth_hz"), [(8_000, 4_000), (16_000, 8_000), (24_000, 12_000)])
def test_a_recording_that_was_once_a_telephone_call_is_told(
    recording: Recording, rate_hz: int, bandwidth_hz: int
) -> None:
    low = recording("low.wav", 5, samples=NOISE, options=("-ar", str(rate_hz)))
    high = low.with_name("high.m4a")
    command = [settings.current().ffmpeg_path, "-loglevel", "error", "-y", "-i", low, "-ar", "48000", "-b:a", "192k"]
    subprocess.run([*command, high], check=True)
    assert measure(high)["bandwidth_hz"] == pytest.approx(bandwidth_hz, rel=0.2)


def test_clipped_samples_are_counted_in_any_channel_and_only_in_the_clip(recording: Recording) -> None:
    loud = np.zeros((4 * RATE_HZ, 2))
    loud[: RATE_HZ // 2, 1] = 1.0
    path = recording("loud.wav", 4, samples=loud)
    assert measure(path)["clipped_share"] == pytest.approx(1 / 8, rel=0.05)
    assert measure(path, start_s=2.0)["clipped_share"] == 0


def test_snr_is_of_frames_with_speech_against_those_without(recording: Recording) -> None:
    samples = np.random.default_rng(6).normal(0, 0.003, 6 * RATE_HZ)
    samples[2 * RATE_HZ : 4 * RATE_HZ] += np.random.default_rng(7).normal(0, 0.1, 2 * RATE_HZ)
    path = recording("snr.wav", 6, samples=samples)
    found = measure(path, [(2.0, 4.0)])
    assert found["snr_db"] == pytest.approx(20 * np.log10(0.1 / 0.003), abs=0.5)
    assert found["speech_share"] == pytest.approx(1 / 3, abs=0.001)
    assert found["longest_pause_s"] == pytest.approx(2, abs=0.001)
    assert measure(path)["snr_db"] is None
    assert measure(path, [(0.0, 6.0)])["snr_db"] is None


def test_dc_is_the_mean_sample(recording: Recording) -> None:
    assert measure(recording("dc.wav", 2, samples=chirp(2) + 0.05))["dc_offset"] == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize(
    ("channels", "has_distinct"),
    [
        (np.stack([NOISE, NOISE], axis=1), False),
        (np.stack([NOISE, NOISE * 0.5], axis=1), True),
        (np.stack([NOISE, NOISE[::-1]], axis=1), True),
        (NOISE[:, None], False),
    ],
)
def test_channels_that_differ_are_told(recording: Recording, channels: np.ndarray, has_distinct: bool) -> None:
    found = measure(recording("stereo.wav", 5, samples=channels))
    assert (found["n_channels"], found["has_distinct_channels"]) == (channels.shape[1], has_distinct)


@pytest.mark.parametrize("start_s", [0.0, 1.2345, 7.777])
def test_loudness_of_a_clip_is_what_ffmpegs_meter_says_of_it_alone(recording: Recording, start_s: float) -> None:
    rng = np.random.default_rng(8)
    steps = np.repeat(10 ** (rng.uniform(-45, -12, 60) / 20), RATE_HZ // 4)  # louder and quieter, as talk is
    noise = np.convolve(rng.uniform(-1, 1, len(steps)), [0.25, 0.5, 0.25], "same")
    decoded = audio.decode(recording("steps.wav", 15, samples=steps * noise))
    clip = decoded.read(start_s * 1000, start_s * 1000 + 5432)
    found = measures.measure(clip, decoded, start_s, [])
    integrated, range_lu, peak = ebur128(clip.astype(float), RATE_HZ)
    assert found["loudness_lufs"] == pytest.approx(integrated, abs=0.1)
    assert found["loudness_range_lu"] == pytest.approx(range_lu, abs=1)  # EBU Tech 3342 allows as much
    assert found["true_peak_dbtp"] == pytest.approx(peak, abs=0.2)


def test_a_gain_moves_levels_and_stands_beside_them(recording: Recording) -> None:
    before = measure(recording("talk.wav", 4))
    after = measures.with_gain(before, -6.0)
    assert after["gain_db"] == -6.0
    for name in ("peak_dbfs", "rms_dbfs", "loudness_lufs", "true_peak_dbtp"):
        assert after[name] == pytest.approx(before[name] - 6, abs=0.01)
    assert after["snr_db"] == before["snr_db"]
    silent = measures.with_gain(measure(recording("silence.wav", 1, samples=np.zeros(RATE_HZ))), 3.0)
    assert silent["peak_dbfs"] is None


GOOD: dict[str, Any] = {
    "peak_dbfs": -3.0,
    "loudness_lufs": -23.0,
    "speech_share": 0.8,
    "clipped_share": 0.0,
    "snr_db": 30.0,
    "bandwidth_hz": 8000,
}


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        ({}, None),
        ({"snr_db": None, "loudness_lufs": None}, None),
        ({"peak_dbfs": None}, "digital silence"),
        ({"loudness_lufs": -64.5}, "loudness_lufs -64.5 < -60"),
        ({"speech_share": 0.05}, "speech_share 0.05 < 0.1"),
        ({"speech_share": 0.0}, "nobody speaks: speech_share 0"),
        ({"clipped_share": 0.2}, "clipped_share 0.2 > 0.01"),
        ({"snr_db": -1.0}, "snr_db -1 < 0"),
        ({"bandwidth_hz": 1500}, "bandwidth_hz 1500 < 2500"),
    ],
)
def test_a_limit_that_is_passed_is_the_reason(measured: dict[str, Any], reason: str | None) -> None:
    assert measures.refusal({**GOOD, **measured}) == reason


def test_limits_are_settings() -> None:
    settings.configure(min_snr_db=40.0)
    assert measures.refusal(GOOD) == "snr_db 30 < 40"
