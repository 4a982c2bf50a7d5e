"""`make demo`: two nights of the four DAGs on `samples/`, through a real Airflow, and what came of them.

The second night has new and changed annotations, reports that hold a clip back, and a row gone bad, which a check
finds.

The recordings are served on 127.0.0.1 and harvested through yt-dlp's generic extractor, as any page on the web would
be. Run it again: nothing is doubled.
"""

import io
import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import httpx
import yaml

from include import catalog, funnel, release, settings, store
from local import stack
from local.serve import serving

SAMPLES = settings.ROOT / "samples"
RUN_TIMEOUT_S = 600
FINISHED = ("success", "failed")

# The recording whose clips nobody has heard, one that somebody hears again, one that is reported.
SECOND_NIGHT = ("long_letter.mp4", "garden_evening.mp3", "birthday_door.webm")
VOLUNTEERS = ("vol-anouk", "vol-bram", "vol-chidi")


class DemoError(Exception):
    """A DAG run did not end well; the message names the task and the end of its log."""


class Airflow:
    """Airflow's REST API, as a person's script would use it."""

    def __init__(self, url: str, password: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30)
        answer = self._client.post("/auth/token", json={"username": "admin", "password": password})
        answer.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, **options: Any) -> Any:
        """One call below /api/v2; its JSON. Raises httpx.HTTPStatusError."""
        answer = self._client.request(method, f"/api/v2/{path}", **options)
        answer.raise_for_status()
        return answer.json()

    def wait_for_dags(self, dag_ids: set[str], timeout_s: float = 120) -> None:
        """Wait until Airflow has parsed these DAGs. Raises DemoError with the import errors it has."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if dag_ids <= {dag["dag_id"] for dag in self.call("GET", "dags")["dags"]}:
                return
            time.sleep(0.5)
        errors = self.call("GET", "importErrors")["import_errors"]
        raise DemoError("DAGs are missing: " + "; ".join(error["stack_trace"][-500:] for error in errors))

    def run_ids(self, dag_id: str) -> set[str]:
        """Ids of all runs of a DAG."""
        return {run["dag_run_id"] for run in self.call("GET", f"dags/{dag_id}/dagRuns?limit=1000")["dag_runs"]}

    def trigger(self, dag_id: str, **params: Any) -> str:
        """Start a run; its id."""
        run = self.call("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": params})
        return str(run["dag_run_id"])

    def next_run(self, dag_id: str, known: set[str], timeout_s: float = 60) -> str:
        """Id of the run that an asset's event starts: the first that is not among `known`."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            new = self.run_ids(dag_id) - known
            if new:
                return min(new)
            time.sleep(0.5)
        raise DemoError(f"{dag_id} was not started by its asset within {timeout_s:g} s")

    def wait_for(self, dag_id: str, run_id: str) -> str:
        """Wait for a run's end, showing how far it is. Returns its state."""
        started_at = time.monotonic()
        while True:
            state = self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"]
            tasks = self.tasks(dag_id, run_id)
            n_done = sum(task["state"] in ("success", "skipped", "failed", "upstream_failed") for task in tasks)
            elapsed_s = time.monotonic() - started_at
            show_progress(f"  {dag_id:<18} {n_done:>2} of {len(tasks):>2} tasks  {elapsed_s:5.1f} s  {state}")
            if state in FINISHED:
                click.echo()
                return str(state)
            if elapsed_s > RUN_TIMEOUT_S:
                raise DemoError(f"{dag_id} did not end within {RUN_TIMEOUT_S} s")
            time.sleep(0.7)

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000"
        return list(self.call("GET", path)["task_instances"])

    def task_log(self, dag_id: str, run_id: str, task: dict[str, Any]) -> str:
        """The log of a task instance's last try, a line an event."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        content = self.call("GET", path, params={"map_index": task["map_index"], "full_content": True})["content"]
        return "\n".join(str(line.get("event", line)) if isinstance(line, dict) else str(line) for line in content)

    def failures(self, dag_id: str, run_id: str) -> str:
        """Which tasks of a run failed, with the ends of their logs."""
        failed = [task for task in self.tasks(dag_id, run_id) if task["state"] == "failed"]
        return "\n".join(f"{task['task_id']}:\n{self.task_log(dag_id, run_id, task)[-2000:]}" for task in failed)


def show_progress(line: str) -> None:
    """Overwrite the line on a terminal; elsewhere say nothing until it is complete."""
    if sys.stdout.isatty():
        click.echo(f"\r{line}\033[K", nl=False)
    elif line.endswith(FINISHED):
        click.echo(line, nl=False)


def sample_urls(site: str) -> list[str]:
    """Addresses of the samples on the web server `site`, with their windows."""
    entries = yaml.safe_load((SAMPLES / "sources.yaml").read_text(encoding="utf-8"))
    return [
        f"{site}/{entry['path']}" + (f"#t={entry['start_s']},{entry['end_s']}" if "start_s" in entry else "")
        for entry in entries
    ]


def site_port() -> int:
    """The port of the samples' web server: the same at each run while it is free, so that addresses stay the same."""
    path = settings.current().run / "demo_port"
    known = int(path.read_text(encoding="utf-8")) if path.exists() else 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the last run may still linger
        try:
            probe.bind(("127.0.0.1", known))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(port), encoding="utf-8")
    return port


def fill_inbox() -> int:
    """Put the samples' annotations where volunteers' files arrive; how many files."""
    files = sorted((SAMPLES / "annotations").glob("*.jsonl"))
    for path in files:
        store.write_bytes(f"inbox/annotations/{path.name}", path.read_bytes())
    return len(files)


def run_dags(airflow: Airflow, site: str) -> None:
    """Trigger the first DAG, see its assets start the next two, then publish. Raises DemoError."""
    before = {dag_id: airflow.run_ids(dag_id) for dag_id in ("transcode_audio", "merge_annotations")}
    runs = {"harvest_clips": airflow.trigger("harvest_clips", urls=sample_urls(site), batch_size=10)}
    for dag_id in ("harvest_clips", "transcode_audio", "merge_annotations", "publish_release"):
        if dag_id in before:
            runs[dag_id] = airflow.next_run(dag_id, before[dag_id])
        elif dag_id not in runs:
            runs[dag_id] = airflow.trigger(dag_id)
        if airflow.wait_for(dag_id, runs[dag_id]) != "success":
            raise DemoError(f"{dag_id} failed.\n{airflow.failures(dag_id, runs[dag_id])}")


def second_night() -> list[dict[str, Any]]:
    """Annotations of the second evening: of two clips that nobody had heard, of one anew, and two reports of one."""
    with catalog.connect() as connection:
        found = connection.execute(
            "select clip_id, url from catalog.clip inner join catalog.source using (source_id)"
            " where state = 'ready' order by url, start_ms"
        ).fetchall()
    of = {name: [row["clip_id"] for row in found if row["url"].endswith(name)] for name in SECOND_NIGHT}
    unheard, heard, reported = (of[name] for name in SECOND_NIGHT)
    said = {"language": "en", "emotions": ["pensive"], "arousal": 4, "valence": 1, "gender": "male"}
    return [
        *(_annotation(clip_id, volunteer, **said) for clip_id in unheard[:2] for volunteer in VOLUNTEERS),
        _annotation(heard[0], "vol-second-night", emotions=["grateful"], arousal=6, valence=4),
        *(_annotation(reported[0], volunteer, reports=["personal_data"]) for volunteer in VOLUNTEERS[:2]),
    ]


def fill_inbox_again() -> None:
    """Put the second evening's annotations where volunteers' files arrive."""
    lines = [json.dumps(row) for row in second_night()]
    store.write_bytes("inbox/annotations/05-second-night.jsonl", "\n".join(lines).encode() + b"\n")


def _annotation(clip_id: str, annotator_id: str, **said: Any) -> dict[str, Any]:
    return {"clip_id": clip_id, "annotator_id": annotator_id, "submitted_at": "2024-03-12T20:00:00Z",
            "time_spent_s": 41.0, **said}  # fmt: skip


def run_second_night(airflow: Airflow) -> str:
    """Merge the second evening's annotations, see a bad row stop the release, mend it, publish. Raises DemoError.

    Returns what the log says of the row.
    """
    fill_inbox_again()
    _run_to("success", airflow, "merge_annotations")
    with _bad_row():
        run_id = _run_to("failed", airflow, "publish_release")
    log = airflow.failures("publish_release", run_id).splitlines()
    _run_to("success", airflow, "publish_release")
    return "\n".join(line for line in log if line.startswith("FAILED"))


def _run_to(state: str, airflow: Airflow, dag_id: str) -> str:
    """Run a DAG; the run's id. Raises DemoError if it does not end as it should."""
    run_id = airflow.trigger(dag_id)
    if airflow.wait_for(dag_id, run_id) != state:
        raise DemoError(f"{dag_id} should end as {state}.\n{airflow.failures(dag_id, run_id)}")
    return run_id


@contextmanager
def _bad_row() -> Iterator[None]:
    """A label that says what nobody can have said: arousal, of 0 to 10, is 99."""
    change = "update catalog.label set arousal_mean = %s where clip_id = %s"
    with catalog.connect() as connection:
        row = connection.execute(
            "select clip_id, arousal_mean from catalog.label inner join catalog.release_clip using (clip_id)"
            " order by clip_id limit 1"
        ).fetchone()
        assert row is not None  # the first night published a release
        connection.execute(change, [99, row["clip_id"]])
    try:
        yield
    finally:
        with catalog.connect() as connection:
            connection.execute(change, [row["arousal_mean"], row["clip_id"]])


@contextmanager
def running_stack() -> Iterator[dict[str, Any]]:
    """The stack, started for the block unless it ran already."""
    was_running = stack.state() is not None
    started = stack.up()
    try:
        yield started
    finally:
        if not was_running:
            stack.down()


def report() -> None:
    """What was made: the funnel, what was refused, the release's files, its first samples."""
    click.secho("\nThe funnel", bold=True)
    for name, n in funnel.read()["funnel"].items():
        click.echo(f"  {name:<11} {n:>4}  {'█' * n}")
    click.secho("\nWhy inputs were refused", bold=True)
    for row in funnel.refusals():
        name = row["id"].removeprefix("generic-").removeprefix("generic:").rpartition("/media/")[2]
        click.echo(f"  {row['what']:<11}{name:<34}{row['outcome']}: {row['reason']}")
    version = release.latest_version()
    if version is None:
        raise DemoError("there is no release")
    click.secho(f"\nRelease {version}", bold=True)
    root = release.folder(version)
    for path in store.paths_below(root):
        if "/checks/validations/" in path or "/checks/static/" in path:
            continue  # a page a suite, and their styles
        click.echo(f"  {path.removeprefix(root + '/'):<34} {store.size_bytes(path):>9,} bytes")
    changed = json.loads(store.read_bytes(f"{root}/changes.json"))
    click.secho(f"\nAgainst {changed['parent']}", bold=True)
    for name, n in changed["counts"].items():
        click.echo(f"  {name:<11} {n:>4}")
    click.secho("\nIts first samples, as plain webdataset code reads them", bold=True)
    show_samples(Path(store.url(root).removeprefix("file://")), json.loads(store.read_bytes(f"{root}/manifest.json")))


def show_samples(folder: Path, manifest: dict[str, Any], n_samples: int = 3) -> None:
    """Read a release the way a training job does: nothing of ours but the manifest's list of shards."""
    import soundfile
    import webdataset

    shards = [str(folder / shard["path"]) for split in manifest["splits"].values() for shard in split["shards"]]
    for sample in webdataset.WebDataset(shards, shardshuffle=False).decode().slice(n_samples):
        audio, rate_hz = soundfile.read(io.BytesIO(sample["flac"]))
        said = sample["json"]
        click.echo(f"  {sample['__key__']}: {len(audio) / rate_hz:.1f} s at {rate_hz} Hz, {said['n_raters']} raters")
        click.echo(f"    arousal {said['arousal_mean']:.1f}, valence {said['valence_mean']:+.1f}, "
                   f"emotions {', '.join(said['emotion_plurality'])}: “{said['transcription']}”")  # fmt: skip


@click.command()
def main() -> None:
    """Run the four DAGs on the samples, two nights in a row, through a real Airflow."""
    settings.configure(**settings.LOOPBACK_SITES)
    started_at = time.monotonic()
    click.echo("Starting Postgres and Airflow …")
    try:
        with serving(SAMPLES, site_port()) as site, running_stack() as started:
            if not started.get("egress_allowed_hosts"):
                raise DemoError("Airflow runs without leave to harvest from this machine: 'make down', then try again")
            click.echo(f"Airflow is at {started['url']}, user admin, password {stack.password()}")
            airflow = Airflow(started["url"], stack.password())
            airflow.wait_for_dags({"harvest_clips", "transcode_audio", "merge_annotations", "publish_release"})
            click.echo(f"{fill_inbox()} annotation files in the inbox, {len(sample_urls(site))} addresses to harvest")
            run_dags(airflow, site)
            click.echo(f"The second night: {len(second_night())} more annotations, and a label goes bad")
            click.echo(f"  {run_second_night(airflow)}\n  The row was mended, and the release went out.")
            report()
    except (DemoError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"\nDone in {time.monotonic() - started_at:.0f} s. 'make up' starts Airflow and leaves it running.")


if __name__ == "__main__":
    main()
