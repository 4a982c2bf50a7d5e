"""Recordings → PCM → FLAC: one ffmpeg process a recording, everything else in this process.

Nothing here touches the catalog, the store or the network.
"""

import io
import shutil
import struct
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from include import decoders, priming, sandbox, settings
from include.loudness import NEAR_HIGHEST, Meter, decibels, sample_peaks, true_peak_where
from include.speech import Detector, Track

if TYPE_CHECKING:
    import subprocess

    import numpy as np
    from numpy.typing import NDArray

BLOCK_S = 10  # read and measured at a time; what bounds the memory
FRAME_S = 0.01  # for which is kept how loud it is, how many samples are clipped, how far channels differ
CLIPPED = 0.995  # of full scale
CANCELLED = 1e-3  # power left of two channels' when folded, under which they are the same with opposite sign
PAGES = (b"<!doctype", b"<html", b"<?xml")  # what a server sends instead; ffmpeg finds odd things in one
# Speakers of a WAVE channel mask whose weight is not that of a surround speaker, after ITU-R BS.775-3 annex 4:
# front left and right, centre, and no low-frequency effects.
WEIGHTS = {0x1: 0.7071, 0x2: 0.7071, 0x4: 1.0, 0x8: 0.0}
SURROUND_WEIGHT = 0.5


class Undecodable(Exception):
    """The file gives no audio; the message says why and becomes the reason in the catalog."""


@dataclass(frozen=True)
class Recording:
    """A decoded recording: mono float samples in a file, and what was learned while they passed by."""

    pcm_path: Path
    n_samples: int
    rate_hz: int
    n_channels: int
    n_clipped: "NDArray[np.uint16]"  # samples at full scale in each 10 ms, in any channel
    channel_power: "NDArray[np.float32]"  # mean power of the channels in each 10 ms, summed over its samples
    folded_power: "NDArray[np.float32]"  # the same of their mean; less where they differ
    track: Track
    loudness_lufs: float | None
    peaks: "NDArray[np.float32]"  # highest sample of each 10 ms
    announced_s: float | None
    n_streams: int
    complaint: str
    fingerprint: "NDArray[np.uint32]"

    @property
    def duration_s(self) -> float:
        """How much was decoded."""
        return self.n_samples / self.rate_hz

    @property
    def warning(self) -> str | None:
        """What the file announced and did not keep, or what ffmpeg complained of; None if all is well."""
        if self.announced_s is not None and self.announced_s > self.duration_s * 1.02 + 1:
            return f"announces {self.announced_s:.1f} s, {self.duration_s:.2f} s decoded"
        return self.complaint or None

    def read(self, start_ms: float, end_ms: float) -> "NDArray[np.float32]":
        """The stretch between two times, shape (samples,), full scale ±1.

        A stretch may end up to 0.25 s after the recording: containers round their length.
        Raises Undecodable if it ends later than that, or begins there.
        """
        import numpy as np

        start, end = (round(time_ms * self.rate_hz / 1000) for time_ms in (start_ms, end_ms))
        if start >= self.n_samples or end > self.n_samples + self.rate_hz // 4:
            raise Undecodable(f"past the end: the recording has {self.duration_s:.2f} s")
        return np.fromfile(self.pcm_path, "<f4", min(end, self.n_samples) - start, offset=4 * start)

    def true_peak(self) -> float:
        """True peak of the whole recording."""
        import numpy as np

        n_frame, n_block = round(FRAME_S * self.rate_hz), round(BLOCK_S / FRAME_S)
        highest = float(self.peaks.max())
        loud = np.flatnonzero(self.peaks >= NEAR_HIGHEST * highest) if highest > 0 else np.zeros(0, int)
        for block in np.unique(loud // n_block):
            # A frame more at each side, for the filter.
            start, end = max(block * n_block - 1, 0), min((block + 1) * n_block + 1, len(self.peaks))
            samples = np.fromfile(self.pcm_path, "<f4", (end - start) * n_frame, offset=4 * start * n_frame)
            is_loud = np.isin(np.arange(start, end), loud[loud // n_block == block])
            highest = max(highest, true_peak_where(samples.reshape(-1, n_frame), is_loud))
        return highest


def decode(path: Path) -> Recording:
    """Decode a file to mono at `sample_rate_hz`, once: the first audio stream in which somebody speaks.

    The samples go to a file beside `path`, so that a recording of hours takes little memory. Neither ffmpeg's exit
    code nor the container's length is believed: what was decoded counts. Other streams are decoded only if nobody
    speaks in the first; two channels that cancel each other out when folded are decoded again, the first one alone.

    Raises Undecodable: no audio stream, nothing decoded, or `too_large`: over `max_source_s`, or over a bound of
    sandbox.running().
    """
    if path.stat().st_size == 0:
        raise Undecodable("nothing could be decoded: the file is empty")
    with path.open("rb") as beginning:
        if beginning.read(512).lstrip().lower().startswith(PAGES):
            raise Undecodable("nothing could be decoded: a page of text, no recording")
    recording = _decode_stream(path, 0)
    for stream in range(1, recording.n_streams):
        if recording.track.speech():
            break
        other = _decode_stream(path, stream)
        if other.track.speech():
            return other
    return recording


def _decode_stream(path: Path, stream: int, is_first_channel_only: bool = False) -> Recording:
    """Decode one audio stream: in the quick way if it may be, else, or if that goes wrong, in the thorough one.

    Raises Undecodable.
    """
    import numpy as np

    told = _ask(path, stream)
    recording = None
    if decoders.may_be_quick(told, stream):
        recording = _decode_quickly(path, stream, told, is_first_channel_only)
    if recording is None:
        recording = _decode_thoroughly(path, stream, is_first_channel_only)
    if recording.n_channels == 2 and not is_first_channel_only:
        power = float(recording.channel_power.sum(dtype=np.float64))
        if 0 < float(recording.folded_power.sum(dtype=np.float64)) + 1e-12 < power * CANCELLED:
            return _decode_stream(path, stream, is_first_channel_only=True)
    return recording


def _ask(path: Path, stream: int) -> sandbox.Said:
    """What ffmpeg says of a file."""
    with (
        tempfile.TemporaryDirectory(prefix="asked-", dir=path.parent) as folder,
        sandbox.running(decoders.asking(path.name, stream), Path(folder)) as (_, said),
    ):
        pass
    return said


def _decode_quickly(path: Path, stream: int, told: sandbox.Said, is_first_channel_only: bool) -> Recording | None:
    """Decode one audio stream in the quick way; None unless all went well. Raises Undecodable if it is too large."""
    folder = Path(tempfile.mkdtemp(prefix="decoded-", dir=path.parent))
    spool = _Spool(folder / "pcm", is_first_channel_only)
    with sandbox.running(decoders.quick(path.name, stream), folder) as (process, said):
        assert process.stdout is not None
        spool.take(process.stdout, priming.unsaid_s(path, told.container, *told.audio[stream]))
    _check_bounds(process, said)
    if process.returncode == 0 and not said.complaints and spool.n_samples:
        recording = spool.finish(told)
        if recording.warning is None:
            return recording
    shutil.rmtree(folder)
    return None


def _decode_thoroughly(path: Path, stream: int, is_first_channel_only: bool) -> Recording:
    """Decode one audio stream, or what there is of it. Raises Undecodable."""
    folder = Path(tempfile.mkdtemp(prefix="decoded-", dir=path.parent))
    spool = _Spool(folder / "pcm", is_first_channel_only)
    with sandbox.running(decoders.thorough(path.name, stream), folder) as (process, said):
        assert process.stdout is not None
        said.is_input_known.wait()  # ffmpeg says it before it writes; another thread hears it
        known = said.audio[stream : stream + 1]
        spool.take(process.stdout, priming.unsaid_s(path, said.container, *known[0]) if known else 0.0)
    _check_bounds(process, said)
    if said.n_streams > len(said.audio) == 0:
        raise Undecodable("no audio stream")
    if spool.n_samples == 0:
        announced = f"announces {said.announced_s:g} s of audio, none of it is there: " if said.announced_s else ""
        raise Undecodable(f"nothing could be decoded: {announced}{said.why_nothing}")
    return spool.finish(said)


def _check_bounds(process: "subprocess.Popen[bytes]", said: sandbox.Said) -> None:
    """Raises Undecodable if ffmpeg was killed for passing a bound."""
    excess = sandbox.why_killed(process, said)
    if excess is not None:
        raise Undecodable(f"too_large: {excess}")


def _fingerprint(folder: Path) -> "NDArray[np.uint32]":
    """Chromaprint's numbers of the whole recording, one for each 0.124 s; none if it is under 3 s.

    By another ffmpeg, of the folded samples: a second output of the first one fails, and takes the sound with it, where
    ffmpeg can't fold the channels. 3 ms of CPU for 10 s.
    """
    import numpy as np

    with sandbox.running(decoders.fingerprinting("pcm"), folder) as (process, _):
        assert process.stdout is not None
        return np.frombuffer(process.stdout.read(), "<u4")


class _Spool:
    """Takes ffmpeg's WAV in blocks: folds it, measures it, puts it into a file."""

    def __init__(self, path: Path, is_first_channel_only: bool) -> None:
        self.n_samples = 0
        self._path = path
        self._is_first_channel_only = is_first_channel_only
        self._rate_hz = settings.current().sample_rate_hz
        self._meter = Meter(self._rate_hz)
        self._detector = Detector(self._rate_hz)
        self._frame = round(FRAME_S * self._rate_hz)
        self._measured: list[tuple[Any, Any, Any, Any]] = []

    def take(self, stream: IO[bytes], unsaid_s: float) -> None:
        """Take all of it but the first `unsaid_s`. Raises Undecodable if it is longer than `max_source_s`."""
        max_source_s = settings.current().max_source_s
        has_header = self._read_header(stream)
        if has_header:  # ahead of the blocks, each of which is a whole number of frames
            stream.read(4 * self._n_channels * round(unsaid_s * self._rate_hz))
        while has_header and self._read_block(stream):
            if self.n_samples > max_source_s * self._rate_hz:
                raise Undecodable(f"too_large: longer than {max_source_s:g} s")

    def _read_header(self, stream: IO[bytes]) -> bool:
        """Learn the channels from the WAV's header; whether there is one. Raises Undecodable if there are too many."""
        import numpy as np

        if len(stream.read(12)) < 12:
            return False
        while len(head := stream.read(8)) == 8:
            name, n_bytes = struct.unpack("<4sI", head)
            if name == b"data":
                return True
            content = stream.read(n_bytes)
            if name == b"fmt ":
                self._n_channels = struct.unpack_from("<H", content, 2)[0]
                mask = struct.unpack_from("<I", content, 20)[0] if n_bytes >= 24 else 0
                if self._n_channels > settings.current().max_channels:
                    raise Undecodable(f"too_large: {self._n_channels} channels")
                self._weights = np.array(_fold_weights(self._n_channels, mask), np.float32)
                if self._is_first_channel_only:
                    self._weights = np.eye(self._n_channels, dtype=np.float32)[0]
        return False

    def _read_block(self, stream: IO[bytes]) -> bool:
        """Take the next block; whether there was one."""
        import numpy as np

        content = stream.read(4 * self._n_channels * BLOCK_S * self._rate_hz)
        n_samples = len(content) // (4 * self._n_channels)
        if n_samples == 0:
            return False
        channels = np.frombuffer(content, "<f4", n_samples * self._n_channels).reshape(n_samples, self._n_channels)
        folded = _folded(channels, self._weights)
        if not np.isfinite(folded).all():  # a file of floats may hold anything
            channels = np.nan_to_num(channels, posinf=1, neginf=-1)
            folded = _folded(channels, self._weights)
        frames = _in_frames(folded, self._frame)
        with self._path.open("ab") as spool:
            frames.tofile(spool)  # whole frames, also at the end
        self.n_samples += n_samples
        self._meter.add(folded)
        self._detector.add(folded)
        self._measured.append((*self._of_channels(channels, frames), sample_peaks(frames)))
        return True

    def _of_channels(self, channels: "NDArray[np.float32]", folded: "NDArray[np.float32]") -> tuple[Any, Any, Any]:
        """Clipped samples, power of the channels, and power of their mean, in each 10 ms."""
        import numpy as np

        n_channels = channels.shape[1]
        frames = _in_frames(channels, self._frame)
        clipped = np.zeros(len(frames), np.uint16)
        for index in np.flatnonzero(sample_peaks(frames) >= CLIPPED):
            is_clipped = (np.abs(frames[index]) >= CLIPPED).reshape(-1, n_channels)
            clipped[index] = is_clipped.any(axis=1).sum()
        power = np.einsum("ij,ij->i", frames, frames) / n_channels
        if n_channels == 1:
            return clipped, power, power
        mean = np.full(n_channels, 1 / n_channels, np.float32)
        is_mean = np.array_equal(self._weights, mean)
        mean_frames = folded if is_mean else _in_frames(_folded(channels, mean), self._frame)
        return clipped, power, np.einsum("ij,ij->i", mean_frames, mean_frames)

    def finish(self, said: sandbox.Said) -> Recording:
        """The recording, when all of it has been taken."""
        import numpy as np

        self._detector.add(np.zeros(0, np.float32), is_last=True)
        clipped, channel_power, folded_power, peaks = (
            np.concatenate(parts) for parts in zip(*self._measured, strict=True)
        )
        return Recording(
            pcm_path=self._path,
            n_samples=self.n_samples,
            rate_hz=self._rate_hz,
            n_channels=self._n_channels,
            n_clipped=clipped,
            channel_power=channel_power,
            folded_power=folded_power,
            track=self._detector.track(),
            loudness_lufs=self._meter.integrated_lufs(),
            peaks=peaks,
            announced_s=said.announced_s,
            n_streams=len(said.audio),
            complaint=said.complaint,
            fingerprint=_fingerprint(self._path.parent),
        )


def _folded(channels: "NDArray[np.float32]", weights: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Channels of shape (samples, channels) as one, shape (samples,).

    Channel by channel: a matrix product would wake BLAS' threads, which then wait for more on the other workers' cores.
    """
    import numpy as np

    folded: NDArray[np.float32] = channels[:, 0] * weights[0]
    for channel in np.flatnonzero(weights[1:]) + 1:
        folded += channels[:, channel] * weights[channel]
    return folded


def _in_frames(samples: "NDArray[np.float32]", n_frame: int) -> "NDArray[np.float32]":
    """Samples of shape (samples,) or (samples, channels), one row for each `n_frame` of them, with zeros at the end."""
    import numpy as np

    missing = -len(samples) % n_frame
    if missing:
        samples = np.concatenate([samples, np.zeros((missing, *samples.shape[1:]), np.float32)])
    return np.asarray(samples.reshape(len(samples) // n_frame, -1))


def _fold_weights(n_channels: int, mask: int) -> list[float]:
    """Weight of each channel in the mono fold; they sum to 1, so that the fold cannot clip."""
    speakers = [1 << bit for bit in range(18) if mask & (1 << bit)]
    if n_channels <= 2 or len(speakers) != n_channels:
        return [1 / n_channels] * n_channels
    weights = [WEIGHTS.get(speaker, SURROUND_WEIGHT) for speaker in speakers]
    return [weight / sum(weights) for weight in weights]


def source_gain_db(recording: Recording, highest_peak: float) -> float:
    """The one gain of a recording: towards `target_lufs`, but no true peak over `max_true_peak_dbtp`.

    `highest_peak` is that of its clips before the gain. 0 for a recording too quiet to have a loudness: silence is
    not amplified.
    """
    current = settings.current()
    peak_db = decibels(max(highest_peak, recording.true_peak()))
    if recording.loudness_lufs is None or peak_db is None:
        return 0.0
    gain_db = min(current.target_lufs - recording.loudness_lufs, current.max_true_peak_dbtp - peak_db)
    return float(round(gain_db - 0.005, 2))


def to_pcm(samples: "NDArray[np.float32]", gain_db: float) -> "NDArray[np.int16]":
    """Samples of full scale ±1, shape (samples,), with a gain, as 16 bit PCM with TPDF dither.

    The dither is the same noise for each clip, so that the same samples give the same bytes; digital silence stays
    digital silence. Lipshitz, Wannamaker and Vanderkooy, "Quantization and dither", JAES 40 (1992).
    """
    import numpy as np

    scaled = samples * np.float32(32768 * 10 ** (gain_db / 20))
    if scaled.any():
        scaled = scaled + np.resize(_dither(), len(scaled))
    return np.asarray(np.clip(np.rint(scaled), -32768, 32767), np.int16)


@cache
def _dither() -> "NDArray[np.float32]":
    """30 s of triangular noise of ±1 step."""
    import numpy as np

    noise = np.random.Generator(np.random.PCG64(1992))
    n_samples = 30 * settings.current().sample_rate_hz
    return noise.random(n_samples, np.float32) - noise.random(n_samples, np.float32)


def encode_flac(pcm: "NDArray[np.int16]") -> bytes:
    """A clip of shape (samples,) as FLAC, mono, 16 bit, without any metadata. Same PCM ⇒ same bytes."""
    import soundfile

    buffer: Any = io.BytesIO()
    soundfile.write(buffer, pcm, settings.current().sample_rate_hz, format="FLAC", subtype="PCM_16")
    return bytes(buffer.getvalue())
