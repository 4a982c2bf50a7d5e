"""Loudness and true peak of mono audio after EBU R128: ITU-R BS.1770-5 and EBU Tech 3342.

Audio is float, full scale ±1, of any rate from 16 to 192 kHz.
"""

import math
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOP_S = 0.1  # blocks of 0.4 s that overlap by three quarters, BS.1770-5 annex 1
ABSOLUTE_GATE_LUFS = -70.0
NEAR_HIGHEST = 0.6  # sinc(1/2) is 0.64
PEAK_FRAME = 240  # samples; many more than soxr's filter is long
OFFSET_LUFS = -0.691  # makes a 997 Hz sine of full scale in one channel -3.01 LUFS


@cache
def _k_weighting(rate_hz: int) -> "NDArray[np.float64]":
    """BS.1770's two filters for any rate, as second-order sections of shape (2, 6).

    The standard gives coefficients for 48 kHz only; these are the analogue filters behind them, brought to
    `rate_hz` by the bilinear transform, as libebur128 and ffmpeg do.
    """
    import numpy as np

    k = math.tan(math.pi * 1681.974450955533 / rate_hz)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band, norm = high**0.4996667741545416, 1 + k / q + k * k
    shelf = [(high + band * k / q + k * k) / norm, 2 * (k * k - high) / norm, (high - band * k / q + k * k) / norm]
    shelf += [1, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]
    k, q = math.tan(math.pi * 38.13547087602444 / rate_hz), 0.5003270373238773
    norm = 1 + k / q + k * k
    return np.array([shelf, [1, -2, 1, 1, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]])


class Meter:
    """Loudness of audio that comes in pieces; memory grows by 80 bytes a second of audio."""

    def __init__(self, rate_hz: int) -> None:
        import numpy as np

        self._hop = round(HOP_S * rate_hz)
        self._sections = _k_weighting(rate_hz)
        self._state: Any = np.zeros((2, 2))
        self._rest = np.zeros(0)
        self._powers: list[NDArray[np.float64]] = []

    def add(self, samples: "NDArray[np.floating[Any]]") -> None:
        """The next piece, shape (samples,)."""
        import numpy as np
        from scipy.signal import sosfilt

        weighted, self._state = sosfilt(self._sections, samples.astype(np.float64), zi=self._state)
        weighted = np.concatenate([self._rest, weighted])
        n_whole = len(weighted) // self._hop * self._hop
        hops = weighted[:n_whole].reshape(-1, self._hop)
        self._powers.append(np.einsum("ij,ij->i", hops, hops) / self._hop)
        self._rest = weighted[n_whole:]

    def integrated_lufs(self) -> float | None:
        """Gated loudness of all that came. None under 0.4 s, and where nothing is louder than -70 LUFS."""
        blocks = self._blocks(0.4)
        blocks = blocks[blocks > _power(ABSOLUTE_GATE_LUFS)]
        if len(blocks) == 0:
            return None
        return _lufs(float(blocks[blocks > blocks.mean() / 10].mean()))

    def range_lu(self) -> float | None:
        """Loudness range (EBU Tech 3342): 10th to 95th percentile of 3 s loudness. None under 3 s, and for silence."""
        import numpy as np

        blocks = self._blocks(3.0)
        blocks = blocks[blocks > _power(ABSOLUTE_GATE_LUFS)]
        if len(blocks) == 0:
            return None
        blocks = blocks[blocks > blocks.mean() / 100]
        low, high = np.percentile(blocks, [10, 95], method="nearest")
        return float(10 * np.log10(high / low))

    def _blocks(self, length_s: float) -> "NDArray[np.float64]":
        """Mean power of each block of `length_s`, one every 0.1 s."""
        import numpy as np

        powers = np.concatenate(self._powers) if self._powers else np.zeros(0)
        n_hops = round(length_s / HOP_S)
        if len(powers) < n_hops:
            return np.zeros(0)
        sums = np.concatenate([[0.0], np.cumsum(powers)])
        # A difference of sums is off by their rounding; what is below it is silence.
        return np.asarray(np.maximum((sums[n_hops:] - sums[:-n_hops]) / n_hops, 0))


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - OFFSET_LUFS) / 10))


def _lufs(power: float) -> float:
    return OFFSET_LUFS + 10 * math.log10(power)


def true_peak(samples: "NDArray[np.float32]") -> float:
    """Highest amplitude of the signal between its samples too, shape (samples,): four times oversampled.

    BS.1770-5 annex 2, with soxr's filter instead of the one printed there. Only what is near the highest sample is
    oversampled: an impulse halfway between two samples is 1 / sinc(1/2) = 1.57 times as high as they are.
    """
    import numpy as np

    frames = np.concatenate([samples, np.zeros(-len(samples) % PEAK_FRAME, np.float32)]).reshape(-1, PEAK_FRAME)
    peaks = sample_peaks(frames)
    highest = float(peaks.max(initial=0.0))
    return true_peak_where(frames, peaks >= NEAR_HIGHEST * highest) if highest > 0 else 0.0


def sample_peaks(frames: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Highest amplitude of each frame, shape (frames, samples)."""
    import numpy as np

    return np.asarray(np.maximum(frames.max(axis=1), -frames.min(axis=1)))


def true_peak_where(frames: "NDArray[np.float32]", is_loud: "NDArray[np.bool]") -> float:
    """True peak of some of the frames of a signal, shape (frames, samples) of 100 samples or more, one at least."""
    import soxr

    is_taken = is_loud.copy()  # with both neighbours, which take the ringing at the places where others are left out
    is_taken[1:] |= is_loud[:-1]
    is_taken[:-1] |= is_loud[1:]
    oversampled = soxr.resample(frames[is_taken].ravel(), 1, 4, "HQ").reshape(-1, 4 * frames.shape[1])
    return float(max(sample_peaks(oversampled[is_loud[is_taken]]).max(), sample_peaks(frames[is_loud]).max()))


def decibels(amplitude: float) -> float | None:
    """An amplitude against full scale; None for zero, which has no level."""
    return 20 * math.log10(amplitude) if amplitude > 0 else None
