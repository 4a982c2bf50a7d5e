"""The four DAGs through a real Airflow: scheduler, LocalExecutor, Postgres, yt-dlp on this machine's own server.

Slow (some minutes), so one Airflow serves all tests of this file, in their order.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import webdataset
from conftest import sql

from include import funnel, release, settings, store
from local import demo, stack
from local.serve import serving

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def airflow() -> Iterator[demo.Airflow]:
    """A running stack in a run folder of its own, to which this process's settings point too."""
    # Not in pytest's own folder: root's server runs as another user, whom the next start of pytest would shut out.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="open_empathic_") as run:
        patch.setenv("OPEN_EMPATHIC_RUN", run)
        settings.configure()
        started = stack.up()
        try:
            yield demo.Airflow(started["url"], stack.password())
        finally:
            stack.down()


@pytest.fixture(autouse=True)
def _stack_settings(airflow: demo.Airflow) -> None:
    settings.configure()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(demo.SAMPLES) as url:
        yield url


def release_files(version: str) -> dict[str, bytes]:
    return {path: store.read_bytes(path) for path in store.paths_below(release.folder(version))}


def test_from_addresses_to_a_release_that_webdataset_reads(airflow: demo.Airflow, site: str) -> None:
    airflow.wait_for_dags({"harvest_clips", "transcode_audio", "merge_annotations", "publish_release"})
    demo.fill_inbox()
    demo.run_dags(airflow, site)

    counts = funnel.read()["funnel"]
    assert counts["sources"] >= 20
    assert counts["candidates"] > counts["ready"] > counts["annotated"] >= counts["released"] > 10
    version = release.latest_version()
    assert version is not None
    assert release.verify(version)["samples"] == counts["released"]

    folder = Path(store.url(release.folder(version)).removeprefix("file://"))
    shards = [str(path) for path in sorted(folder.rglob("*.tar"))]
    samples = list(webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode())
    assert len({sample["__key__"] for sample in samples}) == counts["released"]
    assert all(sample["json"]["n_raters"] >= 3 for sample in samples)


def test_every_input_is_accounted_for(airflow: demo.Airflow) -> None:
    reasons = {row["id"].rpartition("/media/")[2]: row["reason"] for row in funnel.refusals()}
    assert "404" in reasons["gone.mp3"]
    assert any("no audio stream" in reason for reason in reasons.values())
    assert any("past the end" in reason for reason in reasons.values())
    n_rows = sum(len(path.read_bytes().splitlines()) for path in (demo.SAMPLES / "annotations").glob("*.jsonl"))
    rows = funnel.read()["annotations"]
    assert rows["counted"] + rows["superseded"] + rows["retractions"] + rows["waiting"] + rows["rejected"] == n_rows
    assert store.paths_below("inbox/annotations") == []
    assert len(store.paths_below("inbox/merged")) == 4


def test_the_release_tells_its_asset_version_and_counts(airflow: demo.Airflow) -> None:
    events = airflow.call("GET", "assets/events")["asset_events"]
    extras = [event["extra"] for event in events if event["name"] == "releases"]
    assert [(extra["version"], extra["n_clips"]) for extra in extras] == [
        (release.latest_version(), funnel.read()["funnel"]["released"])
    ]


def test_the_second_night_adds_changes_and_removes_clips_once_a_bad_row_is_mended(airflow: demo.Airflow) -> None:
    first = release.latest_version()
    rows = demo.second_night()
    said = demo.run_second_night(airflow)
    assert "expect_column_values_to_be_between" in said
    assert "arousal_mean" in said
    assert '"unexpected_count": 1}, e.g. generic-' in said
    second = release.latest_version()
    assert second is not None
    root = release.folder(second)
    changed = json.loads(store.read_bytes(f"{root}/changes.json"))
    assert changed["parent"] == first
    heard, reported = rows[-3]["clip_id"], rows[-1]["clip_id"]
    assert changed["added"] == sorted({row["clip_id"] for row in rows} - {heard, reported})
    assert len(changed["added"]) == 2
    assert "arousal_mean" in changed["changed"][heard]
    assert changed["removed"] == [reported]
    removed = [json.loads(line) for line in store.read_bytes(f"{root}/removed.jsonl").splitlines()]
    assert [(row["clip_id"], row["reason"]) for row in removed] == [(reported, "held: reported by annotators")]
    assert release.verify(second)["samples"] == funnel.read()["funnel"]["released"]
    assert store.exists(f"{root}/checks/index.html")


def test_a_second_time_doubles_nothing(airflow: demo.Airflow, site: str) -> None:
    before, versions = funnel.read(), list(release.published_versions())
    demo.fill_inbox()
    demo.fill_inbox_again()
    demo.run_dags(airflow, site)
    assert funnel.read() == before
    assert list(release.published_versions()) == versions


def ask(airflow: demo.Airflow) -> tuple[str, str]:
    """A run of publish_release that waits for approval: its id, and the path of what it asks."""
    run_id = airflow.trigger("publish_release", approve=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        states = {task["task_id"]: task["state"] for task in airflow.tasks("publish_release", run_id)}
        if states.get("ask_for_approval") == "awaiting_input":
            return run_id, f"dags/publish_release/dagRuns/{run_id}/taskInstances/ask_for_approval/-1/hitlDetails"
        time.sleep(1)
    raise AssertionError(states)


def answer(airflow: demo.Airflow, run_id: str, path: str, option: str) -> None:
    """Choose an option, and wait until the task has it.

    An answer that comes before the scheduler knows that the worker is done is lost, and the task's retry asks anew.
    """
    time.sleep(10)  # the scheduler hears of workers every 5 s; a retry comes after a minute
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        states = {task["task_id"]: task["state"] for task in airflow.tasks("publish_release", run_id)}
        if states["ask_for_approval"] == "success":
            return
        if states["ask_for_approval"] == "awaiting_input" and not airflow.call("GET", path)["response_received"]:
            airflow.call("PATCH", path, json={"chosen_options": [option], "params_input": {}})
        time.sleep(1)
    raise AssertionError(states)


def test_a_release_waits_for_approval_unseen_and_is_rejected_then_approved(airflow: demo.Airflow) -> None:
    sql("update catalog.source set title = 'Renamed' where url like '%%zug.mp3'")
    versions, latest = list(release.published_versions()), store.read_bytes(release.LATEST)
    run_id, path = ask(airflow)
    question = airflow.call("GET", path)
    assert question["options"] == ["Approve", "Reject"]
    assert f"Against {json.loads(latest)['version']}:" in question["body"]
    assert "**Checks**: " in question["body"]
    assert airflow.call("GET", "pools/default_pool")["occupied_slots"] == 0
    answer(airflow, run_id, path, "Reject")
    assert airflow.wait_for("publish_release", run_id) == "success"
    states = {task["task_id"]: task["state"] for task in airflow.tasks("publish_release", run_id)}
    assert (states["verify_built"], states["promote"]) == ("skipped", "skipped")
    assert (list(release.published_versions()), store.read_bytes(release.LATEST)) == (versions, latest)

    run_id, path = ask(airflow)
    answer(airflow, run_id, path, "Approve")
    assert airflow.wait_for("publish_release", run_id) == "success"
    assert len(list(release.published_versions())) == len(versions) + 1
    assert store.read_bytes(release.LATEST) != latest


def test_a_failed_check_leaves_the_latest_release_and_says_what_failed(airflow: demo.Airflow) -> None:
    latest = store.read_bytes(release.LATEST)
    files = release_files(json.loads(latest)["version"])
    clip_id = sql(
        "update catalog.label set arousal_mean = 99"
        " where clip_id = (select min(clip_id) from catalog.release_clip) returning clip_id"
    )[0]["clip_id"]
    run_id = airflow.trigger("publish_release", version="2031.01.01")
    assert airflow.wait_for("publish_release", run_id) == "failed"
    said = airflow.failures("publish_release", run_id)
    assert "expect_column_values_to_be_between" in said
    assert "arousal_mean" in said
    assert clip_id in said
    assert store.read_bytes(release.LATEST) == latest
    assert release_files(json.loads(latest)["version"]) == files
    assert not store.exists("releases/2031.01.01/manifest.json")


def test_the_plugin_page_asks_who_is_there(airflow: demo.Airflow) -> None:
    url = (stack.state() or {})["url"]
    assert httpx.get(f"{url}/open-empathic/").status_code == 401
