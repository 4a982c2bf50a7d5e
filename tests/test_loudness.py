import io
import re
import subprocess

import numpy as np
import pytest
import soundfile
from conftest import chirp
from numpy.typing import NDArray

from include import loudness, settings


def ebur128(samples: NDArray[np.float64], rate_hz: int) -> tuple[float, float, float]:
    """What ffmpeg's own meter says: integrated LUFS, loudness range LU, true peak dBTP."""
    wav = io.BytesIO()
    soundfile.write(wav, samples, rate_hz, format="WAV", subtype="FLOAT")
    graph = "ebur128=peak=true:framelog=verbose"
    command = [settings.current().ffmpeg_path, "-nostdin", "-i", "-", "-af", graph, "-f", "null", "-"]
    said = subprocess.run(command, input=wav.getvalue(), capture_output=True, check=True).stderr.decode()
    summary = said[said.rindex("Summary:") :]
    found = (re.search(rf"{name}:\s+(\S+)", summary) for name in ("I", "LRA", "Peak"))
    integrated, range_lu, peak = (float(match[1]) for match in found if match)
    return integrated, range_lu, peak


def sine(frequency_hz: float, level_dbfs: float, duration_s: float, rate_hz: int = 24_000) -> NDArray[np.float64]:
    time_s = np.arange(int(duration_s * rate_hz)) / rate_hz
    return 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency_hz * time_s)


def measured(samples: NDArray[np.float64], rate_hz: int, piece: int = 7777) -> loudness.Meter:
    meter = loudness.Meter(rate_hz)
    for start in range(0, len(samples), piece):
        meter.add(samples[start : start + piece])
    return meter


NOISE = np.random.default_rng(7).normal(0, 0.05, 20 * 24_000)
# As EBU Tech 3341 makes its test signals: steady tones, tones in steps for the relative gate, and what has a range.
STEPS = np.concatenate([sine(1000, level, length) for level, length in ((-36, 5), (-23, 20), (-36, 5))])
WITH_SILENCE = np.concatenate([sine(1000, -72, 5), sine(1000, -23, 10), np.zeros(5 * 24_000)])
RANGES = np.concatenate([sine(1000, level, 10) for level in (-20, -30)])


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
@pytest.mark.parametrize("samples", [STEPS, WITH_SILENCE, RANGES, NOISE, chirp(20)])
def test_loudness_is_what_ffmpegs_meter_says(samples: NDArray[np.float64], rate_hz: int) -> None:
    integrated, range_lu, _ = ebur128(samples, rate_hz)
    meter = measured(samples, rate_hz)
    assert meter.integrated_lufs() == pytest.approx(integrated, abs=0.1)
    assert meter.range_lu() == pytest.approx(range_lu, abs=0.5)  # EBU Tech 3342 allows 1 LU


def test_a_full_scale_tone_has_the_loudness_that_the_standard_gives() -> None:
    # BS.1770-5 annex 1: 997 Hz at 0 dBFS in one channel is -3.01 LKFS.
    assert measured(sine(997, 0, 5, 48_000), 48_000).integrated_lufs() == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("phase", [0, np.pi / 4, 1.0])
@pytest.mark.parametrize("divisor", [4, 6, 3.3])
def test_true_peak_is_what_ffmpegs_meter_says(phase: float, divisor: float) -> None:
    # As EBU Tech 3341, tests 15 to 19: tones whose peaks fall between the samples.
    samples = 0.5 * np.sin(2 * np.pi * np.arange(24_000) / divisor + phase) * np.hanning(24_000)
    peak_dbtp = loudness.decibels(loudness.true_peak(samples.astype(np.float32)))
    assert peak_dbtp == pytest.approx(ebur128(samples, 24_000)[2], abs=0.2)
    assert peak_dbtp == pytest.approx(-6.02, abs=0.2)


def test_what_is_too_short_or_too_quiet_has_no_loudness() -> None:
    assert measured(sine(1000, -20, 0.35), 24_000).integrated_lufs() is None
    assert measured(sine(1000, -20, 0.45), 24_000).integrated_lufs() is not None
    assert measured(sine(1000, -75, 5), 24_000).integrated_lufs() is None
    assert measured(np.zeros(48_000), 24_000).integrated_lufs() is None
    assert measured(sine(1000, -20, 2.9), 24_000).range_lu() is None
    assert loudness.Meter(24_000).integrated_lufs() is None


def test_silence_has_no_level() -> None:
    assert loudness.true_peak(np.zeros(100, np.float32)) == 0
    assert loudness.true_peak(np.zeros(0, np.float32)) == 0
    assert loudness.decibels(0.0) is None
    assert loudness.decibels(0.5) == pytest.approx(-6.02, abs=0.01)
