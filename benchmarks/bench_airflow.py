"""Airflow's own share of a run of `transcode_audio`: 50 sources of 10 minutes, 20 clips of each, 1,000 clips in all.

`OPEN_EMPATHIC_RUN=/tmp/bench .venv/bin/python -m benchmarks.bench_airflow [sources]` starts a stack of its own, runs
the DAG on recordings that a server on 127.0.0.1 has, and then the same batches by as many processes without Airflow.
The share is what the first takes longer: of wall clock (on an idle machine), and of CPU, which load changes little.
It empties the catalog of its run folder.
"""

import contextlib
import multiprocessing
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from include import catalog, harvest, settings, transcode
from local import stack
from local.demo import Airflow
from local.serve import serving

SOURCE_S = 600
TALKS = (
    "exam_result.mp4", "night_shift.m4a", "parcel.webm", "garden_evening.mp3", "the_old_dog.mp4", "birthday_door.webm",
    "zeugnis.m4a", "zug.mp3", "la_mer.mp4", "ou_es_tu.webm", "ganamos.mp3", "ferry_times.m4a", "market_walk.webm",
    "kitchen.story.m4a", "long_letter.mp4",
)  # fmt: skip
N_CLIPS = 20
GOAL = 0.05


def ffmpeg(*arguments: object) -> None:
    """Run the pipeline's ffmpeg."""
    command = [settings.current().ffmpeg_path, "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


def make_sources(folder: Path, n_sources: int) -> list[str]:
    """Each of the samples' talks at some speeds, over and over: recordings of which none is the other's copy."""
    media = settings.ROOT / "samples" / "media"
    talks = [media / name for name in TALKS]
    names = []
    for n in range(n_sources):
        talk, speed = talks[n % len(talks)], 0.85 + 0.1 * (n // len(talks))
        once, names = folder / f"once-{n}.m4a", [*names, f"talk-{n}.m4a"]
        changed = f"aresample=48000,asetrate={48_000 * speed:.0f},aresample=48000"
        ffmpeg("-i", talk, "-vn", "-af", changed, "-ac", 2, "-c:a", "aac", "-b:a", "128k", once)
        ffmpeg("-stream_loop", -1, "-i", once, "-t", SOURCE_S, "-c", "copy", folder / names[-1])
    return names


def fill_catalog(site: str, names: list[str]) -> None:
    """Nothing in the catalog but these recordings, to be cut."""
    with catalog.connect() as connection:
        connection.execute("truncate catalog.source, catalog.address cascade")
    harvest.harvest_batch([f"{site}/{name}" for name in names])


def n_ready() -> int:
    """Clips that are ready."""
    with catalog.connect() as connection:
        found = connection.execute("select count(*) as n from catalog.clip where state = 'ready'").fetchone()
    return int(found["n"]) if found else 0


def cpu_of_family_s(process: psutil.Process) -> float:
    """CPU of the processes that a process started, and of all of theirs that have ended."""
    total_s = 0.0
    for one in process.children(recursive=True):
        try:
            total_s += sum(one.cpu_times()[:4])  # user, system, and both of children that have ended
        except psutil.NoSuchProcess:
            continue
    return total_s


def with_airflow() -> tuple[float, float, list[dict[str, Any]]]:
    """Wall clock and CPU of a run of the DAG, s, and its task instances."""
    try:
        started = stack.up()
        airflow = Airflow(started["url"], stack.password())
        airflow.wait_for_dags({"transcode_audio"})
        family = psutil.Process(started["pid"])
        before_s = cpu_of_family_s(family)
        run_id = airflow.trigger("transcode_audio")
        run = wait_for_end(airflow, run_id)
        used_s = cpu_of_family_s(family) - before_s
        begin, end = (datetime.fromisoformat(run[name]) for name in ("start_date", "end_date"))
        return (end - begin).total_seconds(), used_s, airflow.tasks("transcode_audio", run_id)
    finally:
        stack.down()


def wait_for_end(airflow: Airflow, run_id: str) -> dict[str, Any]:
    """The run, when it is over. Asks seldom: answering is work of Airflow's, too. Raises RuntimeError if it failed."""
    while True:
        time.sleep(3)
        with contextlib.suppress(httpx.TimeoutException):
            run: dict[str, Any] = airflow.call("GET", f"dags/transcode_audio/dagRuns/{run_id}")
            if run["state"] == "success":
                return run
            if run["state"] == "failed":
                raise RuntimeError(airflow.failures("transcode_audio", run_id))


def without_airflow() -> tuple[float, float]:
    """Wall clock and CPU of the same work by processes of our own, s; their start and imports are part of it."""
    started_s = time.monotonic()
    batches = transcode.plan_batches()
    with multiprocessing.get_context("spawn").Pool(settings.current().transcode_slots, _configure) as pool:
        pool.map(transcode.transcode_batch, batches, chunksize=1)
        used_s = cpu_of_family_s(psutil.Process())
    return time.monotonic() - started_s, used_s


def _configure() -> None:
    settings.configure(**settings.LOOPBACK_SITES)


def show(what: str, figure: str, verdict: str = "") -> None:
    """One row of the table."""
    print(f"{what:<58}{figure:>14}   {verdict}", flush=True)


def show_share(what: str, with_s: float, without_s: float) -> None:
    """How much of a figure is Airflow's, and whether that is little enough."""
    share = 1 - without_s / with_s
    show(f"{what} without Airflow", f"{without_s:.1f} s")
    show(f"{what} of the DAG run", f"{with_s:.1f} s")
    show(f"Airflow's share of {what}", f"{share:.1%}", f"<= {GOAL:.0%}   {'met' if share <= GOAL else 'MISSED'}")


def main(n_sources: int = 50) -> None:
    """Measure and print."""
    _configure()
    catalog.migrate()
    with tempfile.TemporaryDirectory() as folder:
        names = make_sources(Path(folder), n_sources)
        with serving(Path(folder)) as site:
            fill_catalog(site, names)
            wall_s, used_s, tasks = with_airflow()
            n_clips = n_ready()
            fill_catalog(site, names)
            alone_wall_s, alone_used_s = without_airflow()
    show("clips made, by the DAG and without", f"{n_clips}, {n_ready()}", f"{n_sources * N_CLIPS}")
    for task in sorted(tasks, key=lambda task: str(task["start_date"])):
        show(f"  {task['task_id']} {task['map_index'] if task['map_index'] >= 0 else ''}", f"{task['duration']:.1f} s")
    show_share("wall clock", wall_s, alone_wall_s)
    show_share("CPU", used_s, alone_used_s)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
