"""A picture of a source: its level, where somebody speaks, where it was cut, and what was measured of each clip."""

from pathlib import Path
from typing import TYPE_CHECKING

from include import audio, catalog, workfolder, ytdlp
from include.plots import BLUE, GREY, ORANGE, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STATE_COLOURS = {"ready": BLUE, "rejected": ORANGE}
ROW_IN = 0.19  # height of a clip's line in the table, inches
# What stands in the table of clips: heading, measure, format. Levels are those after the gain.
COLUMNS = (
    ("LUFS", "loudness_lufs", "{:.1f}"),
    ("range LU", "loudness_range_lu", "{:.1f}"),
    ("peak dBTP", "true_peak_dbtp", "{:.1f}"),
    ("speech", "speech_share", "{:.0%}"),
    ("pause s", "longest_pause_s", "{:.1f}"),
    ("SNR dB", "snr_db", "{:.0f}"),
    ("to Hz", "bandwidth_hz", "{:.0f}"),
    ("clipped", "clipped_share", "{:.1%}"),
)


def save(clip_id: str, path: Path) -> None:
    """Write the picture of a clip's source to `path`, whose ending names the format (.svg, .png).

    The recording is downloaded and decoded again: nothing of it but its clips is kept. Raises faults.Fault or
    audio.Undecodable if that fails, KeyError if no clip has this id.
    """
    with catalog.connect() as connection:
        clip = catalog.row(connection, "select_clip", clip_id=clip_id)
        if clip is None:
            raise KeyError(clip_id)
        clips = catalog.rows(connection, "select_source_clips", source_id=clip["source_id"])
    with workfolder.folder() as folder:
        _draw(audio.decode(ytdlp.download(clip["url"], folder)), clips, clip["source_id"], path)


def _draw(recording: audio.Recording, clips: list[catalog.Row], source_id: str, path: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        table_in = ROW_IN * (len(clips) + 2)
        figure = Figure(figsize=(11, 4.4 + table_in), layout="constrained")
        level, voice, table = figure.subplots(3, 1, height_ratios=[3, 1, table_in / 1.1])
        _draw_level(level, recording, clips)
        _draw_speech(voice, recording, clips)
        _write_measures(table, clips)
        level.set_title(_title(recording, clips, source_id), fontsize=10)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _title(recording: audio.Recording, clips: list[catalog.Row], source_id: str) -> str:
    """What holds for the whole recording."""
    loudness = "no loudness" if recording.loudness_lufs is None else f"{recording.loudness_lufs:.1f} LUFS as it came"
    gains = sorted({clip["measures"]["gain_db"] for clip in clips if "gain_db" in clip["measures"]})
    gain = f", gain {' and '.join(f'{gain:+.1f}' for gain in gains)} dB" if gains else ""
    return f"{source_id}: {recording.duration_s:.1f} s, {loudness}{gain}"


def _draw_level(axes: "Axes", recording: audio.Recording, clips: list[catalog.Row]) -> None:
    import numpy as np

    time_s = np.arange(len(recording.peaks)) * audio.FRAME_S
    axes.fill_between(time_s, -recording.peaks, recording.peaks, color=GREY, linewidth=0)
    reach = max(float(recording.peaks.max()) * 1.25, 1e-4)
    _mark_cuts(axes, recording, clips)
    for number, clip in enumerate(clips, 1):
        start_s = clip["audio_start_ms"] / 1000
        if start_s < recording.duration_s:
            colour = STATE_COLOURS.get(clip["state"], GREY)
            axes.text(start_s, reach * 0.97, f" {number}", color=colour, va="top", weight="bold")
    axes.set(ylim=(-reach, reach), xlim=(0, recording.duration_s), ylabel="peak of 10 ms, of full scale")
    axes.tick_params(labelbottom=False)


def _draw_speech(axes: "Axes", recording: audio.Recording, clips: list[catalog.Row]) -> None:
    import numpy as np

    from include.speech import STEP_S

    probabilities = recording.track.probabilities
    axes.plot(np.arange(len(probabilities)) * STEP_S, probabilities, color=GREY, linewidth=0.8)
    for start_s, end_s in recording.track.speech():
        axes.axvspan(start_s, end_s, color=GREY, alpha=0.2, linewidth=0)
    _mark_cuts(axes, recording, clips, alpha=0)
    axes.set(ylim=(0, 1.02), xlim=(0, recording.duration_s), ylabel="speech", xlabel="s (grey: somebody speaks)")


def _mark_cuts(axes: "Axes", recording: audio.Recording, clips: list[catalog.Row], alpha: float = 0.12) -> None:
    """A line at both ends of each clip, a tint between them."""
    for clip in clips:
        start_s, end_s = clip["audio_start_ms"] / 1000, min(clip["audio_end_ms"] / 1000, recording.duration_s)
        colour = STATE_COLOURS.get(clip["state"], GREY)
        if start_s < recording.duration_s:
            axes.axvspan(start_s, end_s, color=colour, alpha=alpha, linewidth=0)
            for edge_s in (start_s, end_s):
                axes.axvline(edge_s, color=colour, linewidth=1)


def _write_measures(axes: "Axes", clips: list[catalog.Row]) -> None:
    """A line for each clip, in the colour of its state."""
    axes.set_axis_off()
    axes.set(xlim=(0, 100), ylim=(len(clips) + 0.5, -1))
    headings = ["clip", "from s", "to s", *(heading for heading, _, _ in COLUMNS)]
    places = [3, 10, 17, *range(25, 25 + 8 * len(COLUMNS), 8)]
    for place, heading in zip(places, headings, strict=True):
        axes.text(place, 0, heading, ha="right", fontsize=8, color=GREY)
    for number, clip in enumerate(clips, 1):
        times = [f"{clip[edge] / 1000:.2f}" for edge in ("audio_start_ms", "audio_end_ms")]
        found = clip["measures"]
        said = [text.format(found[name]) if found.get(name) is not None else "–" for _, name, text in COLUMNS]
        colour = STATE_COLOURS.get(clip["state"], GREY)
        # What was rejected has no measures in the catalog; its reason stands in their place.
        cells = [str(number), *times, *(said if found else [])]
        for place, cell in zip(places, cells, strict=False):
            axes.text(place, number, cell, ha="right", fontsize=8, color=colour)
        reason = clip["state"] if clip["reason"] is None else f"{clip['state']}: {clip['reason']}"
        axes.text(places[-1] + 2 if found else 20, number, reason[:110], fontsize=8, color=colour)
