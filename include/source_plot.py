"""A picture of a source: its level, where somebody speaks, where it was cut, and what was measured of each clip."""

from pathlib import Path
from typing import TYPE_CHECKING

from include import audio, catalog, workfolder, ytdlp
from include.plots import BLUE, GREY, ORANGE, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES = {"loudness_lufs": "{:.1f} LUFS", "gain_db": "gain {:+.1f} dB", "snr_db": "SNR {:.0f} dB"}
STATE_COLOURS = {"ready": BLUE, "rejected": ORANGE}


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


def _draw(recording: audio.Recording, clips: list[catalog.Row], title: str, path: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        level, voice = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _draw_level(level, recording, clips)
        _draw_speech(voice, recording)
        level.set_title(f"{title}: {recording.loudness_lufs or float('-inf'):.1f} LUFS before the gain", fontsize=10)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_level(axes: "Axes", recording: audio.Recording, clips: list[catalog.Row]) -> None:
    import numpy as np

    time_s = np.arange(len(recording.peaks)) * audio.FRAME_S
    axes.fill_between(time_s, -recording.peaks, recording.peaks, color=GREY, linewidth=0)
    reach = float(recording.peaks.max()) * 1.1 or 1.0
    for clip in clips:
        start_s, end_s = clip["audio_start_ms"] / 1000, clip["audio_end_ms"] / 1000
        colour = STATE_COLOURS.get(clip["state"], GREY)
        axes.axvspan(start_s, min(end_s, recording.duration_s), color=colour, alpha=0.15)
        for edge_s in (start_s, end_s):
            axes.axvline(edge_s, color=colour, linewidth=1)
        found = clip["measures"]
        said = [text.format(found[name]) for name, text in MEASURES.items() if found.get(name) is not None]
        axes.text(start_s, reach, " " + ("\n ".join(said) or (clip["reason"] or "")[:40]), va="bottom", fontsize=8)
    axes.set(ylim=(-reach, reach * 1.9), xlim=(0, recording.duration_s), ylabel="sample peak in 10 ms")


def _draw_speech(axes: "Axes", recording: audio.Recording) -> None:
    import numpy as np

    from include.speech import STEP_S

    probabilities = recording.track.probabilities
    axes.plot(np.arange(len(probabilities)) * STEP_S, probabilities, color=ORANGE, linewidth=0.8)
    for start_s, end_s in recording.track.speech():
        axes.axvspan(start_s, end_s, color=ORANGE, alpha=0.2)
    axes.set(ylim=(0, 1), ylabel="speech", xlabel="s")
