"""Measures of a clip, and the limits that reject one."""

import math
from typing import TYPE_CHECKING, Any

from include import settings
from include.audio import FRAME_S, Recording
from include.loudness import Meter, decibels, true_peak
from include.speech import STEP_S, Span, pauses, within

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FFT = 1024
BANDWIDTH_FLOOR_DB = -50.0  # lossy codecs put noise of -60 dB where the recording has nothing
MAX_SNR_DB = 96.0  # 16 bit can't hold more
DIFFERS = 1e-4  # share of the channels' power, -40 dB


def measure(samples: "NDArray[np.float32]", recording: Recording, start_s: float, speech: list[Span]) -> dict[str, Any]:
    """Measures of a clip before any gain: `samples` of shape (samples,), full scale ±1, that begin at `start_s`.

    - `peak_dbfs`, `rms_dbfs`: highest sample and mean level, dB against full scale.
    - `loudness_lufs`: integrated loudness, EBU R128 (ITU-R BS.1770-5). None under 0.4 s, and under -70 LUFS.
    - `loudness_range_lu`: EBU Tech 3342. None under 3 s.
    - `true_peak_dbtp`: ITU-R BS.1770-5 annex 2, four times oversampled.
    - `clipped_share`: share of samples at full scale (over 0.995, as lossy codecs leave them) in any channel of the
      recording, 0…1.
    - `speech_share`: share of the time in which somebody speaks (Silero VAD 6), 0…1.
    - `longest_pause_s`: longest stretch without speech (Silero VAD 6), s.
    - `snr_db`: power of frames of 32 ms with speech, less that of those without, against the latter, dB; after
      J. Pencak and D. Nelson, "The NP speech activity detection algorithm", ICASSP 1995. None without either kind.
    - `bandwidth_hz`: highest frequency whose mean power is within 50 dB of the strongest, Hz: the spectrum of P. Welch,
      IEEE Trans. AU-15 (1967), smoothed over 0.5 % of the rate.
    - `dc_offset`: mean sample (by definition), of full scale, -1…1.
    - `n_channels`: channels that were folded, weighted after ITU-R BS.775-3; `has_distinct_channels`: whether the power
      in which they differed from their mean is over -40 dB of their own.

    All None or 0 that a clip of digital silence can't have.
    """
    import numpy as np

    end_s = start_s + len(samples) / recording.rate_hz
    frames = slice(int(start_s / FRAME_S), max(math.ceil(end_s / FRAME_S), int(start_s / FRAME_S) + 1))
    power = float(recording.channel_power[frames].sum(dtype=np.float64))
    folded_power = float(recording.folded_power[frames].sum(dtype=np.float64))
    meter = Meter(recording.rate_hz)
    meter.add(samples)
    silences = pauses(speech, start_s, end_s)
    spoken_s = sum(end - start for start, end in within(speech, start_s, end_s))
    return {
        "peak_dbfs": _rounded(decibels(float(np.abs(samples).max()))),
        "rms_dbfs": _rounded(decibels(math.sqrt(float(np.einsum("i,i->", samples, samples)) / len(samples)))),
        "loudness_lufs": _rounded(meter.integrated_lufs()),
        "loudness_range_lu": _rounded(meter.range_lu()),
        "true_peak_dbtp": _rounded(decibels(true_peak(samples))),
        "clipped_share": round(float(recording.n_clipped[frames].sum(dtype=np.int64)) / len(samples), 6),
        "speech_share": round(min(spoken_s / (end_s - start_s), 1.0), 4),
        "longest_pause_s": round(max((end - start for start, end in silences), default=0.0), 3),
        "snr_db": _rounded(_snr_db(samples, recording.rate_hz, start_s, speech)),
        "bandwidth_hz": _bandwidth_hz(samples, recording.rate_hz),
        "dc_offset": round(float(samples.mean(dtype=np.float64)), 6),
        "n_channels": recording.n_channels,
        "has_distinct_channels": power > 0 and (power - folded_power) / power > DIFFERS,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _snr_db(samples: "NDArray[np.float32]", rate_hz: int, start_s: float, speech: list[Span]) -> float | None:
    """Signal to noise from frames with speech against frames without; None if there are not both."""
    import numpy as np

    n_frame = round(STEP_S * rate_hz)
    n_frames = len(samples) // n_frame
    frames = samples[: n_frames * n_frame].reshape(n_frames, n_frame)
    powers = np.einsum("ij,ij->i", frames, frames) / n_frame
    centres = start_s + (np.arange(n_frames) + 0.5) * STEP_S
    is_speech = np.zeros(n_frames, bool)
    for start, end in within(speech, start_s, start_s + len(samples) / rate_hz):
        is_speech |= (centres >= start) & (centres < end)
    if is_speech.all() or not is_speech.any():
        return None
    noise, signal = float(powers[~is_speech].mean()), float(powers[is_speech].mean())
    if signal <= noise:
        return 0.0
    return min(10 * math.log10((signal - noise) / max(noise, 1e-12)), MAX_SNR_DB)


def _bandwidth_hz(samples: "NDArray[np.float32]", rate_hz: int) -> int | None:
    """Effective bandwidth; None for digital silence and under 1024 samples."""
    import numpy as np

    n_frames = len(samples) // (2 * FFT)
    frames = samples[: n_frames * 2 * FFT].reshape(n_frames, 2 * FFT)[:, :FFT]  # every other one is enough
    if n_frames == 0:
        frames = samples[:FFT].reshape(1, -1)
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(frames.shape[1]).astype(np.float32), axis=1)) ** 2
    power = np.convolve(spectrum.mean(axis=0), np.ones(5) / 5, "same")
    if len(samples) < FFT or power.max() <= 0:
        return None
    loud = np.flatnonzero(power >= power.max() * 10 ** (BANDWIDTH_FLOOR_DB / 10))
    return int((loud[-1] + 1) * rate_hz / FFT) if loud[-1] + 1 < FFT // 2 else rate_hz // 2


def with_gain(measures: dict[str, Any], gain_db: float) -> dict[str, Any]:
    """Measures as they are once a gain is applied, and `gain_db` itself, so that it can be undone."""
    levels = ("peak_dbfs", "rms_dbfs", "loudness_lufs", "true_peak_dbtp")
    moved = {name: None if measures[name] is None else round(measures[name] + gain_db, 2) for name in levels}
    return {
        **measures,
        **moved,
        "dc_offset": round(measures["dc_offset"] * 10 ** (gain_db / 20), 6),
        "gain_db": gain_db,
    }


def refusal(measures: dict[str, Any]) -> str | None:
    """Why a clip of these measures (before any gain) is not taken, with the measure; None if it is."""
    current = settings.current()
    if measures["peak_dbfs"] is None:
        return "digital silence"
    limits = [
        ("loudness_lufs", "<", current.min_loudness_lufs),
        ("speech_share", "<", current.min_speech_share),
        ("clipped_share", ">", current.max_clipped_share),
        ("snr_db", "<", current.min_snr_db),
        ("bandwidth_hz", "<", current.min_bandwidth_hz),
    ]
    for name, sign, limit in limits:
        value = measures[name]
        if value is not None and (value < limit if sign == "<" else value > limit):
            if name == "speech_share" and value == 0:
                return "nobody speaks: speech_share 0"
            return f"{name} {value:g} {sign} {limit:g}"
    return None
