"""ffmpeg's command lines for a recording: to ask what it is, and two by which it is decoded, to the same samples.

They run in an empty folder beside the recording, see sandbox.running(). The samples go through the pipe, as WAV of all
channels at `sample_rate_hz`.
"""

import re
from typing import Any

from include import sandbox, settings

# What YouTube serves.
QUICK_CONTAINERS = ("mov", "matroska")
QUICK_CODECS = ("aac", "opus")
MIN_GAP_S = 0.1


def asking(name: str, stream: int) -> Any:
    """The command that says what a file is, and decodes nothing."""
    import ffmpeg

    source = ffmpeg.input(f"file:../{name}", **sandbox.input_options())[f"a:{stream}"]
    return ffmpeg.output(source, "pipe:1", format="null", acodec="copy", t=0)


def thorough(name: str, stream: int) -> Any:
    """The command that decodes whatever ffmpeg can."""
    import ffmpeg

    decoded = ffmpeg.input(f"file:../{name}", **sandbox.input_options())[f"a:{stream}"]
    for filter_name, options in _filters():
        decoded = decoded.filter(filter_name, **options)
    return _output(decoded)


def may_be_quick(told: sandbox.Said, stream: int) -> bool:
    """Whether a stream is one for quick(), by what ffmpeg said of the file."""
    return (
        not told.complaints
        and told.container.split(",")[0] in QUICK_CONTAINERS
        and stream < len(told.audio)
        and told.audio[stream][0].split()[0] in QUICK_CODECS
        and abs(told.start_s) < MIN_GAP_S
    )


def quick(name: str, stream: int) -> Any:
    """The command that decodes for half of the CPU: as the source of a graph of filters, in one thread.

    ffmpeg otherwise hands each packet from thread to thread, which costs as much as to decode it. But such a source
    neither follows timestamps that jump nor goes on after an error: see may_be_quick().
    """
    import ffmpeg

    limits = {**sandbox.input_options(), "format_whitelist": ",".join(QUICK_CONTAINERS)}
    limits = {key: limits[key] for key in ("protocol_whitelist", "format_whitelist", "codec_whitelist", "max_streams")}
    movie = {"filename": f"file:../{name}", "streams": f"a:{stream}", "format_opts": _written(limits)}
    return _output(ffmpeg.input(_graph([("amovie", movie), *_filters()]), format="lavfi"))


def fingerprinting(name: str) -> Any:
    """The command that gives Chromaprint's numbers of samples in the folder, mono floats at `sample_rate_hz`.

    In one thread, too, for half of the CPU.
    """
    import ffmpeg

    rate_hz = settings.current().sample_rate_hz
    layout = _written({"sample_rate": rate_hz, "ch_layout": "mono"})
    movie = {"filename": f"file:{name}", "format_name": "f32le", "format_opts": layout}
    samples = ffmpeg.input(
        _graph([("amovie", movie), ("asetnsamples", {"nb_out_samples": rate_hz, "pad": 0})]), format="lavfi"
    )
    return ffmpeg.output(samples, "pipe:1", format="chromaprint", fp_format="raw", ar=11_025)


def _graph(filters: list[tuple[str, dict[str, Any]]]) -> str:
    """Filters, one after the other, as ffmpeg reads them."""
    return ",".join(
        f"{name}={_escaped(_written({key: _escaped(value, ':') for key, value in options.items()}), '[],;')}"
        for name, options in filters
    )


def _filters() -> list[tuple[str, dict[str, Any]]]:
    """From what the file holds to what is taken."""
    rate_hz = settings.current().sample_rate_hz
    # Sound that begins after the picture, or has a hole, is filled with silence, so that times are the player's.
    # What is off by less than that is left alone: WebM's first Opus packet has a time of its own making.
    resampled = {"sample_rate": rate_hz, "resampler": "soxr", "first_pts": 0, "min_comp": MIN_GAP_S}
    return [("aresample", resampled), ("asetnsamples", {"nb_out_samples": rate_hz, "pad": 0})]


def _output(decoded: Any) -> Any:
    import ffmpeg

    return ffmpeg.output(decoded, "pipe:1", format="wav", acodec="pcm_f32le")


def _written(options: dict[str, Any]) -> str:
    return ":".join(f"{name}={value}" for name, value in options.items())


def _escaped(value: Any, special: str) -> str:
    """As https://ffmpeg.org/ffmpeg-filters.html#Notes-on-filtergraph-escaping has it."""
    return re.sub(rf"([\\'{re.escape(special)}])", r"\\\1", str(value))
