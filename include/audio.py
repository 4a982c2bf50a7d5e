"""Recordings → PCM → FLAC: one ffmpeg process a recording, everything else in this process.

Nothing here touches the catalog, the store or the network.
"""

import io
import logging
import math
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


# Containers whose audio is in the file itself; ffmpeg reads many others, and some of those name further files.
FORMATS = "mov,matroska,ogg,wav,flac,mp3,aac,mpegts,mpeg,flv,avi,asf,aiff"


class Undecodable(Exception):
    """The file gives no audio; the message says why and becomes the reason in the catalog."""


def decode(path: Path) -> "NDArray[np.int16]":
    """Decode the first audio stream of a file to mono 16 bit PCM at `sample_rate_hz`, once.

    Returns a memory-mapped array of shape (samples,) on a file beside `path`, so that a recording of hours
    takes no memory. Neither ffmpeg's exit code nor the container's length is believed: what was decoded counts.

    Raises Undecodable: no audio stream, nothing decoded, longer than `max_source_s`, or out of time.
    """
    import ffmpeg
    import numpy as np

    current = settings.current()
    pcm_path = path.with_name(f"{path.name}.pcm")
    # A playlist or reference file named like a recording must not make ffmpeg read other files or the network.
    source = ffmpeg.input(
        f"file:{path.name}",
        protocol_whitelist="file,pipe",
        format_whitelist=FORMATS,
        t=current.max_source_s + 1,
    )
    # Sound that begins after the picture, or has a hole, is filled with silence, so that times are the player's.
    # What is off by less than 0.1 s is left alone: WebM's first Opus packet has a time of its own making.
    stream = source["a:0"].filter("aresample", current.sample_rate_hz, resampler="soxr", first_pts=0, min_comp=0.1)
    command = ffmpeg.output(stream, f"file:{pcm_path.name}", format="s16le", acodec="pcm_s16le", ac=1)
    arguments = (
        command.global_args("-nostdin", "-hide_banner", "-loglevel", "error")
        .overwrite_output()
        .compile(cmd=current.ffmpeg_path)
    )
    try:
        finished = subprocess.run(
            arguments, capture_output=True, timeout=current.decode_timeout_s, cwd=path.parent, env={}, check=False
        )
    except subprocess.TimeoutExpired:
        raise Undecodable(f"not decoded within {current.decode_timeout_s:g} s") from None
    complaint = _first_line(finished.stderr.decode(errors="replace"))
    if "matches no streams" in complaint:
        raise Undecodable("no audio stream")
    n_samples = pcm_path.stat().st_size // 2 if pcm_path.exists() else 0
    if n_samples == 0:
        raise Undecodable(f"nothing could be decoded: {complaint or 'no audio in the file'}")
    if n_samples > current.max_source_s * current.sample_rate_hz:
        raise Undecodable(f"longer than {current.max_source_s:g} s")
    if complaint:
        log.warning("%s: %g s decoded, but: %s", path.name, n_samples / current.sample_rate_hz, complaint)
    return np.memmap(pcm_path, dtype="<i2", mode="r", shape=(n_samples,))


def _first_line(text: str) -> str:
    """The first of ffmpeg's complaints, the one that says what is wrong; later ones only follow from it.

    Without the `[aac @ 0x55…]` before it, which is another with each run.
    """
    lines = [re.sub(r"^(\[[^\]]* @ 0x[0-9a-f]+\] *)+", "", line).strip() for line in text.splitlines()]
    return next((line for line in lines if line), "")[:300]


def cut(pcm: "NDArray[np.int16]", start_ms: int, end_ms: int) -> "NDArray[np.int16]":
    """The stretch from `start_ms` to `end_ms` of a recording, shape (samples,).

    A stretch may end up to 0.25 s after the recording: containers round their length.
    Raises Undecodable if it ends later than that, or begins there.
    """
    rate_hz = settings.current().sample_rate_hz
    start, end = (round(time_ms * rate_hz / 1000) for time_ms in (start_ms, end_ms))
    if start >= len(pcm) or end > len(pcm) + rate_hz // 4:
        raise Undecodable(f"past the end: the recording has {len(pcm) / rate_hz:.2f} s")
    return pcm[start:end]


def measure(pcm: "NDArray[np.int16]") -> dict[str, float | None]:
    """Measures of a clip of shape (samples,): `peak_dbfs` and `rms_dbfs`, both against 16 bit full scale.

    None for digital silence, which has no level.
    """
    import numpy as np

    scaled = pcm.astype(np.float64) / 32768
    return {
        "peak_dbfs": _decibels(float(np.abs(scaled).max())),
        "rms_dbfs": _decibels(float(np.sqrt(np.mean(scaled**2)))),
    }


def _decibels(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude), 2) if amplitude > 0 else None


def encode_flac(pcm: "NDArray[np.int16]") -> bytes:
    """A clip of shape (samples,) as FLAC, mono, 16 bit, without any metadata. Same PCM ⇒ same bytes."""
    import soundfile

    buffer: Any = io.BytesIO()
    soundfile.write(buffer, pcm, settings.current().sample_rate_hz, format="FLAC", subtype="PCM_16")
    return bytes(buffer.getvalue())
