"""CPU per 10 s clip of transcoding, against what most pipelines do (naive) and what the codecs allow (floor).

`python -m benchmarks.bench_audio [AAC|Opus|mp4]...` makes a source of 10 minutes that is talked in, 20 clips of 10 s in
it, and measures in one run, children's CPU included:

- naive: for each clip ffprobe, cut, loudnorm twice, measures twice: six processes;
- floor: one ffmpeg decodes and resamples the whole file; the same measures and FLAC of the clips in one loop;
- ours: audio.decode(), measures, gain, FLAC; with and without speech detection;
- two processes against one, and the memory of a source of three hours.
"""

import json
import multiprocessing
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from include import audio, loudness, measures, settings, speech

CLIPS = [(start_s, start_s + 10) for start_s in range(0, 600, 30)]
SOURCES = {
    "AAC": ("talk.m4a", ("-vn", "-c:a", "aac", "-b:a", "128k")),
    "Opus": ("talk.webm", ("-vn", "-c:a", "libopus", "-b:a", "96k")),
    "mp4": ("talk.mp4", ("-c:a", "aac", "-b:a", "128k", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "300k")),
}
SPEECHLESS = speech.Track(np.zeros(0, np.float32))


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
    talk = settings.ROOT / "samples" / "media" / "long_letter.mp4"
    video = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25", "-map", "0:a", "-map", "1:v") if kind == "mp4" else ()
    ffmpeg("-stream_loop", 20, "-i", talk, *video, "-t", 600, "-ar", 48000, "-ac", 2, *options, folder / name)
    return folder / name


def cpu_s(work: Callable[[], object]) -> float:
    """CPU of this process and of those it waits for."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    work()
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(a.ru_utime + a.ru_stime - b.ru_utime - b.ru_stime for b, a in zip(before, after, strict=True))


def naive(path: Path, n_clips: int) -> None:
    """What most pipelines do."""
    out = path.with_name("naive.wav")
    for start_s, _ in CLIPS[:n_clips]:
        subprocess.run(
            ["ffprobe", "-v", "error", "-show_streams", "-of", "json", path], capture_output=True, check=True
        )
        ffmpeg("-ss", start_s, "-t", 10, "-i", path, "-vn", "-ac", 1, "-ar", 24000, out)
        ffmpeg("-i", out, "-af", "loudnorm=I=-23:TP=-1:print_format=json", "-f", "null", "-")
        ffmpeg("-i", out, "-af", "loudnorm=I=-23:TP=-1", "-ar", 24000, "-sample_fmt", "s16", path.with_name("n.flac"))
        ffmpeg("-i", path.with_name("n.flac"), "-af", "astats,silencedetect", "-f", "null", "-")
        ffmpeg("-i", path.with_name("n.flac"), "-af", "ebur128=peak=true", "-f", "null", "-")


def floor(path: Path, reference: audio.Recording) -> None:
    """One ffmpeg for the whole file, then the same measures and encoding in one tight loop."""
    raw = path.with_name("floor.raw")
    ffmpeg("-i", path, "-map", "0:a:0", "-af", "aresample=24000:resampler=soxr", "-ac", 1, "-f", "f32le", raw)
    samples = np.memmap(raw, "<f4", "r")
    for start_s, end_s in CLIPS:
        clip = np.asarray(samples[start_s * 24000 : end_s * 24000])
        measures.measure(clip, reference, start_s, [])
        audio.encode_flac(audio.to_pcm(clip, 1.0))


def ours(path: Path) -> audio.Recording:
    """What transcode_audio does with a source, without catalog and store."""
    recording = audio.decode(path)
    spoken = recording.track.speech()
    highest = 0.0
    for start_s, end_s in CLIPS:
        found = measures.measure(recording.read(start_s * 1000, end_s * 1000), recording, start_s, spoken)
        highest = max(highest, 10 ** (found["true_peak_dbtp"] / 20))
    gain_db = audio.source_gain_db(recording, highest)
    for start_s, end_s in CLIPS:
        audio.encode_flac(audio.to_pcm(recording.read(start_s * 1000, end_s * 1000), gain_db))
    return recording


def two_processes(path: Path) -> float:
    """How many times faster two processes do four sources than one process does."""
    context = multiprocessing.get_context("spawn")
    times_s = []
    for n_processes in (1, 2):
        with context.Pool(n_processes) as pool:
            pool.map(_ours_of_copy, [path] * n_processes)  # imports, the model
            started_s = time.monotonic()
            pool.map(_ours_of_copy, [path] * 4, chunksize=1)
            times_s.append(time.monotonic() - started_s)
    return times_s[0] / times_s[1]


def _ours_of_copy(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours(Path(shutil.copy(path, folder)))


def three_hours() -> tuple[float, float]:
    """Resident memory, MB, and times real time of a source of three hours."""
    code = (
        "import json, resource, sys, time; from pathlib import Path; from include import audio\n"
        "t = time.monotonic(); r = audio.decode(Path(sys.argv[1])); r.track.speech(); r.true_peak()\n"
        "print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,"
        " r.duration_s / (time.monotonic() - t)]))"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.m4a"
        talk = settings.ROOT / "samples" / "media" / "long_letter.mp4"
        ffmpeg("-stream_loop", 400, "-i", talk, "-vn", "-t", 3 * 3600, "-c", "copy", path)
        run = subprocess.run([sys.executable, "-c", code, path], cwd=settings.ROOT, capture_output=True, check=True)
    memory_mb, speed = json.loads(run.stdout)
    return memory_mb, speed


def bench(kind: str) -> None:
    """Measure one kind of source and print its rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = make_source(Path(folder), kind)
        reference = ours(path)  # imports, the model, the dither
        # Six processes a clip take long; four clips tell as much as twenty.
        naive_ms = cpu_s(lambda: naive(path, 4)) / 4 * 1000
        floor_ms = min(cpu_s(lambda: floor(path, reference)) for _ in range(3)) / len(CLIPS) * 1000
        with mock.patch.object(audio, "Detector", NoDetector):
            ours_ms = min(cpu_s(lambda: ours(path)) for _ in range(3)) / len(CLIPS) * 1000
        whole_ms = min(cpu_s(lambda: ours(path)) for _ in range(2)) / len(CLIPS) * 1000
        samples = reference.read(0, 60_000)
        vad_ms = min(cpu_s(lambda: speech.Detector(24_000).add(samples, is_last=True)) for _ in range(3)) / 6 * 1000
        peak_ms = min(cpu_s(lambda: loudness.true_peak(samples)) for _ in range(3)) / 6 * 1000
        goal = 10 if kind == "Opus" else 15
        print(f"{kind:5} CPU ms a clip: naive {naive_ms:.0f}, floor {floor_ms:.1f}, ours {ours_ms:.1f}, "
              f"with speech detection {whole_ms:.1f} (for 30 s of audio a clip)")  # fmt: skip
        print(f"{kind:5} naive / ours {naive_ms / ours_ms:.1f} (goal >= {goal}); "
              f"ours / floor {ours_ms / floor_ms:.2f} (goal <= 1.5)")  # fmt: skip
        print(f"{kind:5} speech detection {vad_ms:.1f} ms for 10 s (goal <= 16); true peak {peak_ms:.1f} ms")
        if kind == "AAC":
            print(f"two processes against one: {two_processes(path):.2f} x (goal >= 1.8)")


def main(kinds: list[str]) -> None:
    """Measure all kinds, or those named."""
    for kind in kinds or SOURCES:
        bench(kind)
    memory_mb, speed = three_hours()
    print(f"three hours: {memory_mb:.0f} MB resident (goal < 400), {speed:.0f} x real time")


if __name__ == "__main__":
    main(sys.argv[1:])
