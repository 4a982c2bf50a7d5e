"""CPU of transcoding, for each 10 s that end up in clips: against what most pipelines do, and what the codecs allow.

`.venv/bin/python -m benchmarks.bench_audio [AAC|Opus|mp4]...` makes a source of 10 minutes that is talked in, with 20
clips of 10 s (a third of it) and 20 of 30 s (all of it), and measures in one run, child processes included:

- naive: for each clip ffprobe, cut, loudnorm twice, measures twice: six processes;
- floor: one ffmpeg decodes and resamples the whole file; the same measures and FLAC of the clips in one loop;
- ours: audio.decode(), measures, gain, FLAC, without speech detection, as the others have none;
- speech detection, for each 10 s of audio, not of clips;
- two worker processes against one, and the memory of a source of three hours.

A worker process is one with one core: what it starts runs on its core as well (two share nothing but the machine then,
as when there are as many workers as cores). Without that one worker already takes both cores: it takes in what its
ffmpeg decodes at the same time.
"""

import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from unittest import mock

import numpy as np

from include import audio, measures, settings, speech

Clips = list[tuple[int, int]]  # start_s, end_s
CLIPS: dict[str, Clips] = {
    f"20 clips of {length_s} s": [(start_s, start_s + length_s) for start_s in range(0, 600, 30)]
    for length_s in (10, 30)
}
SOURCES = {
    "AAC": ("talk.m4a", ("-vn", "-c:a", "aac", "-b:a", "128k")),
    "Opus": ("talk.webm", ("-vn", "-c:a", "libopus", "-b:a", "96k")),
    "mp4": ("talk.mp4", ("-c:a", "aac", "-b:a", "128k", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "300k")),
}
GOALS_NAIVE = {"AAC": 15, "Opus": 10, "mp4": 15}
SPEECHLESS = speech.Track(np.zeros(0, np.float32))
TALK = settings.ROOT / "samples" / "media" / "long_letter.mp4"


class NoDetector:
    """Takes speech detection out of the comparison."""

    def __init__(self, rate_hz: int) -> None:
        pass

    def add(self, samples: object, *, is_last: bool = False) -> None:
        """Nothing."""

    def track(self) -> speech.Track:
        """Nobody speaks."""
        return SPEECHLESS


def ffmpeg(*arguments: object) -> None:
    """Run the pipeline's ffmpeg."""
    command = [settings.current().ffmpeg_path, "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


def make_source(folder: Path, kind: str) -> Path:
    """Ten minutes of the longest sample, 48 kHz stereo."""
    name, options = SOURCES[kind]
    video = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25", "-map", "0:a", "-map", "1:v") if kind == "mp4" else ()
    ffmpeg("-stream_loop", 20, "-i", TALK, *video, "-t", 600, "-ar", 48000, "-ac", 2, *options, folder / name)
    return folder / name


def show(what: str, figure: str, goal: str = "", is_met: bool | None = None) -> None:
    """One row of the table."""
    verdict = {None: "", True: "met", False: "MISSED"}[is_met]
    print(f"{what:<62}{figure:>24}   {goal:<10}{verdict}", flush=True)


def cpu_s(work: Callable[[], object], n_times: int = 1) -> float:
    """CPU of this process and of those it waits for; the least of some tries."""
    found = []
    for _ in range(n_times):
        before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        work()
        after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        found.append(sum(a.ru_utime + a.ru_stime - b.ru_utime - b.ru_stime for b, a in zip(before, after, strict=True)))
    return min(found)


def tens(clips: Clips) -> float:
    """Length of some clips in tens of seconds."""
    return sum(end_s - start_s for start_s, end_s in clips) / 10


def naive(path: Path, clips: Clips) -> None:
    """What most pipelines do."""
    out, flac = path.with_name("naive.wav"), path.with_name("n.flac")
    for start_s, end_s in clips:
        subprocess.run(
            ["ffprobe", "-v", "error", "-show_streams", "-of", "json", path], capture_output=True, check=True
        )
        ffmpeg("-ss", start_s, "-t", end_s - start_s, "-i", path, "-vn", "-ac", 1, "-ar", 24000, out)
        ffmpeg("-i", out, "-af", "loudnorm=I=-23:TP=-1:print_format=json", "-f", "null", "-")
        ffmpeg("-i", out, "-af", "loudnorm=I=-23:TP=-1", "-ar", 24000, "-sample_fmt", "s16", flac)
        ffmpeg("-i", flac, "-af", "astats,silencedetect", "-f", "null", "-")
        ffmpeg("-i", flac, "-af", "ebur128=peak=true", "-f", "null", "-")


def floor(path: Path, clips: Clips, reference: audio.Recording) -> None:
    """One ffmpeg for the whole file, then the same measures and encoding in one tight loop.

    What ours learns of the whole recording (clipping, channels) is taken from `reference`, for free.
    """
    raw = path.with_name("floor.raw")
    ffmpeg("-i", path, "-map", "0:a:0", "-af", "aresample=24000:resampler=soxr", "-ac", 1, "-f", "f32le", raw)
    samples = np.memmap(raw, "<f4", "r")
    for start_s, end_s in clips:
        clip = np.asarray(samples[start_s * 24000 : end_s * 24000])
        measures.measure(clip, reference, start_s, [])
        audio.encode_flac(audio.to_pcm(clip, 1.0))


def ours(path: Path, clips: Clips) -> audio.Recording:
    """What transcode_audio does with a source, without catalog and store."""
    recording = audio.decode(path)
    spoken = recording.track.speech()
    highest = 0.0
    for start_s, end_s in clips:
        found = measures.measure(recording.read(start_s * 1000, end_s * 1000), recording, start_s, spoken)
        highest = max(highest, 10 ** (found["true_peak_dbtp"] / 20))
    gain_db = audio.source_gain_db(recording, highest)
    for start_s, end_s in clips:
        audio.encode_flac(audio.to_pcm(recording.read(start_s * 1000, end_s * 1000), gain_db))
    shutil.rmtree(recording.pcm_path.parent)
    return recording


def two_processes(path: Path, is_on_one_core: bool) -> float:
    """How many times faster two processes do six sources than one process does, by wall clock.

    The least of some tries each, in turns: what disturbs the machine for a second disturbs one of them only.
    """
    tries = [[_six_sources_s(path, n, is_on_one_core) for n in (1, 2)] for _ in range(4)]
    one_s, two_s = (min(times_s) for times_s in zip(*tries, strict=True))
    return one_s / two_s


def _six_sources_s(path: Path, n_processes: int, is_on_one_core: bool) -> float:
    context = multiprocessing.get_context("spawn")
    cores: SimpleQueue[int] = context.SimpleQueue()
    for core in sorted(os.sched_getaffinity(0))[:n_processes]:
        cores.put(core)
    with context.Pool(n_processes, _keep_to_one_core if is_on_one_core else None, (cores,) * is_on_one_core) as pool:
        pool.map(_ours_of_copy, [path] * n_processes, chunksize=1)  # imports, the model
        started_s = time.monotonic()
        pool.map(_ours_of_copy, [path] * 6, chunksize=1)
        return time.monotonic() - started_s


def _keep_to_one_core(cores: "SimpleQueue[int]") -> None:
    os.sched_setaffinity(0, {cores.get()})


def _ours_of_copy(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours(Path(shutil.copy(path, folder)), CLIPS["20 clips of 10 s"])


def three_hours() -> tuple[float, float]:
    """Resident memory, MB, and times real time of a source of three hours."""
    code = (
        "import json, re, sys, time; from pathlib import Path; from include import audio\n"
        "t = time.monotonic(); r = audio.decode(Path(sys.argv[1])); r.track.speech(); r.true_peak()\n"
        # Not ru_maxrss: that remembers the process from which this one was started.
        "kb = int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "print(json.dumps([kb / 1024, r.duration_s / (time.monotonic() - t)]))"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.m4a"
        ffmpeg("-stream_loop", 400, "-i", TALK, "-vn", "-t", 3 * 3600, "-c", "copy", path)
        run = subprocess.run([sys.executable, "-c", code, path], cwd=settings.ROOT, capture_output=True, check=True)
    memory_mb, speed = json.loads(run.stdout)
    return memory_mb, speed


def bench(kind: str, path: Path, shape: str, reference: audio.Recording) -> None:
    """Measure one kind of source with one shape of clips, and print its rows."""
    clips, goal = CLIPS[shape], GOALS_NAIVE[kind]
    # Six processes a clip take long; four clips tell as much as twenty.
    naive_ms = cpu_s(lambda: naive(path, clips[:4])) / tens(clips[:4]) * 1000
    floor_ms = cpu_s(lambda: floor(path, clips, reference), 3) / tens(clips) * 1000
    with mock.patch.object(audio, "Detector", NoDetector):
        ours_ms = cpu_s(lambda: ours(path, clips), 3) / tens(clips) * 1000
    whole_ms = cpu_s(lambda: ours(path, clips), 3) / tens(clips) * 1000
    show(f"{kind}, {shape}: naive, CPU for 10 s of clip", f"{naive_ms:.0f} ms")
    show(f"{kind}, {shape}: floor", f"{floor_ms:.1f} ms")
    show(f"{kind}, {shape}: ours", f"{ours_ms:.1f} ms")
    show(f"{kind}, {shape}: ours with speech detection", f"{whole_ms:.1f} ms")
    show(f"{kind}, {shape}: naive / ours", f"{naive_ms / ours_ms:.1f} x", f">= {goal}", naive_ms >= goal * ours_ms)
    show(f"{kind}, {shape}: ours / floor", f"{ours_ms / floor_ms:.2f} x", "<= 1.5", ours_ms <= 1.5 * floor_ms)


def bench_parts(path: Path) -> None:
    """What is the same for each kind of source."""
    samples = audio.decode(path).read(0, 60_000)
    vad_ms = cpu_s(lambda: speech.Detector(24_000).add(samples, is_last=True), 7) / 6 * 1000
    show("speech detection, CPU a 10 s of audio", f"{vad_ms:.1f} ms", "<= 16", vad_ms <= 16)
    for is_on_one_core in (True, False):
        ratio = two_processes(path, is_on_one_core)
        what = "two worker processes against one, a core each" if is_on_one_core else "the same, free to use all cores"
        goal, is_met = (">= 1.8", ratio >= 1.8) if is_on_one_core else ("", None)
        show(f"{what}, wall clock", f"{ratio:.2f} x", goal, is_met)
    memory_mb, speed = three_hours()
    show("a source of three hours, resident", f"{memory_mb:.0f} MB", "< 400", memory_mb < 400)
    show("a source of three hours, decoded and searched for speech", f"{speed:.0f} x real time")


def main(kinds: list[str]) -> None:
    """Measure all kinds, or those named."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds or SOURCES:
            path = make_source(Path(folder), kind)
            reference = audio.decode(path)  # imports, too, and the model
            for shape in CLIPS:
                bench(kind, path, shape, reference)
        bench_parts(make_source(Path(folder), "AAC"))


if __name__ == "__main__":
    main(sys.argv[1:])
