"""The two command lines of ffmpeg by which a recording is decoded: both give the same samples where both work.

They run in an empty folder beside the recording, see sandbox.running(). What they write: the samples through the pipe,
as WAV of all channels at `sample_rate_hz`, and a file `fingerprint` with Chromaprint's numbers.
"""

import re
from typing import Any

from include import sandbox, settings

QUICK_FORMATS = "mov,matroska"  # what YouTube serves
MIN_GAP_S = 0.1
FINGERPRINT_RATE_HZ = 11_025  # which Chromaprint works at
FINGERPRINT_S = 120  # from the start, as AcoustID takes it; all of a long one costs more than it tells


def thorough(name: str, stream: int) -> Any:
    """The command that decodes whatever ffmpeg can."""
    import ffmpeg

    decoded = ffmpeg.input(f"file:../{name}", **sandbox.input_options())[f"a:{stream}"]
    for filter_name, options in _filters():
        decoded = decoded.filter(filter_name, **options)
    split = decoded.filter_multi_output("asplit")
    # A filter between, or both outputs would have the one channel that the fingerprint is made of.
    return ffmpeg.merge_outputs(*_outputs(split[0], split[1].filter("aresample", FINGERPRINT_RATE_HZ)))


def quick(name: str, stream: int) -> Any:
    """The command that decodes mp4 and WebM for half of the CPU: as the source of a graph of filters, in one thread.

    ffmpeg otherwise hands each packet from thread to thread, which costs as much as to decode it. But such a source
    neither follows timestamps that jump nor goes on after an error. The file is an input as well, for what ffmpeg says
    of it; of that one nothing is decoded.
    """
    import ffmpeg

    options = {**sandbox.input_options(), "format_whitelist": QUICK_FORMATS}
    opened = {key: options[key] for key in ("protocol_whitelist", "format_whitelist", "max_streams")}
    movie = {"filename": f"file:../{name}", "streams": f"a:{stream}", "format_opts": _written(opened)}
    graph = ",".join(
        f"{filter_name}={_escaped(_written({key: _escaped(value, ':') for key, value in options.items()}), '[],;')}"
        for filter_name, options in [("amovie", movie), *_filters()]
    )
    told = ffmpeg.input(f"file:../{name}", **sandbox.input_options())[f"a:{stream}"]
    decoded = ffmpeg.input(graph, format="lavfi")
    nothing = ffmpeg.output(told, "pipe:", format="null", acodec="copy", t=0)
    return ffmpeg.merge_outputs(nothing, *_outputs(decoded, decoded))


def _filters() -> list[tuple[str, dict[str, Any]]]:
    """From what the file holds to what is taken."""
    rate_hz = settings.current().sample_rate_hz
    # Sound that begins after the picture, or has a hole, is filled with silence, so that times are the player's.
    # What is off by less than that is left alone: WebM's first Opus packet has a time of its own making.
    resampled = {"sample_rate": rate_hz, "resampler": "soxr", "first_pts": 0, "min_comp": MIN_GAP_S}
    return [("aresample", resampled), ("asetnsamples", {"nb_out_samples": rate_hz, "pad": 0})]


def _outputs(decoded: Any, again: Any) -> tuple[Any, Any]:
    """All samples as WAV through the pipe, and the fingerprint of the first two minutes in a file."""
    import ffmpeg

    return (
        ffmpeg.output(decoded, "pipe:1", format="wav", acodec="pcm_f32le"),
        ffmpeg.output(
            again,
            "file:fingerprint",
            format="chromaprint",
            fp_format="raw",
            ac=1,
            ar=FINGERPRINT_RATE_HZ,
            t=FINGERPRINT_S,
        ),
    )


def _written(options: dict[str, Any]) -> str:
    return ":".join(f"{name}={value}" for name, value in options.items())


def _escaped(value: Any, special: str) -> str:
    """As https://ffmpeg.org/ffmpeg-filters.html#Notes-on-filtergraph-escaping has it."""
    return re.sub(rf"([\\'{re.escape(special)}])", r"\\\1", str(value))
