"""Policies that every DAG keeps. They read the DAG files as Airflow does, in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from include import settings
from include.settings import ROOT, process_environment

DAG_IDS = {path.stem for path in (ROOT / "dags").glob("*.py")}
TAGS = {"harvest", "audio", "annotations", "release"}
HEAVY = {
    "yt_dlp",
    "great_expectations",
    "pandas",
    "webdataset",
    "pyarrow",
    "psycopg",
    "numpy",
    "soundfile",
    "matplotlib",
}
MAX_IMPORT_S = 1.0

READ_DAGS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag("dags")
print("RESULT" + json.dumps({
    "errors": bag.import_errors,
    "dags": {
        dag.dag_id: {
            "file": dag.fileloc, "doc_md": dag.doc_md, "tags": sorted(dag.tags), "owner": dag.owner,
            "catchup": dag.catchup, "max_active_runs": dag.max_active_runs, "params": list(dag.params),
            "schemas": {name: dag.params.get_param(name).schema for name in dag.params},
            "tasks": {
                task.task_id: {
                    "retries": task.retries, "pool": task.pool, "timeout": bool(task.execution_timeout),
                    "downstream": sorted(task.downstream_task_ids),
                    "outlets": [outlet.name for outlet in task.outlets],
                } for task in dag.tasks
            },
        } for dag in bag.dags.values()
    },
}))
"""

TIME_IMPORT = """
import json, sys, time
import airflow.sdk, include.settings  # what every DAG file shares
started_at = time.process_time()
__import__(sys.argv[1])
print("RESULT" + json.dumps({"import_s": time.process_time() - started_at, "modules": list(sys.modules)}))
"""


def run_python(code: str, home: Path, *arguments: str) -> dict:
    """What `code` prints after RESULT, run by a fresh Python with an Airflow home of its own."""
    environment = process_environment(
        AIRFLOW_HOME=str(home),
        PYTHONPATH=f"{ROOT}:{ROOT / 'dags'}",
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__UNIT_TEST_MODE="False",
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert "RESULT" in done.stdout, done.stderr[-3000:]
    return json.loads(done.stdout.split("RESULT")[1])


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return run_python(READ_DAGS, tmp_path_factory.mktemp("airflow"))


def test_every_dag_file_imports_clean_and_is_named_as_its_dag(parsed: dict) -> None:
    assert parsed["errors"] == {}
    assert parsed["dags"].keys() == DAG_IDS
    assert all(Path(dag["file"]).stem == dag_id for dag_id, dag in parsed["dags"].items())


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_an_operator_can_act_on_its_docs(parsed: dict, dag_id: str) -> None:
    doc = parsed["dags"][dag_id]["doc_md"]
    for heading in ("**When it runs**", "**Safe to run again**", "**When it fails**"):
        assert heading in doc


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_it_keeps_the_rules(parsed: dict, dag_id: str) -> None:
    dag = parsed["dags"][dag_id]
    assert dag["tags"]
    assert set(dag["tags"]) <= TAGS
    assert dag["owner"] == "open-empathic"
    assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)
    assert "dry_run" in dag["params"]
    assert all("type" in schema for schema in dag["schemas"].values())
    assert all(task["timeout"] for task in dag["tasks"].values())
    # Only a check that would fail again may do without a retry.
    assert {name for name, task in dag["tasks"].items() if task["retries"] == 0} <= {"check_release"}
    assert "summarize" in dag["tasks"]


def test_each_asset_is_announced_once(parsed: dict) -> None:
    outlets = [
        outlet for dag in parsed["dags"].values() for task in dag["tasks"].values() for outlet in task["outlets"]
    ]
    assert sorted(outlets) == ["candidates", "labels", "ready_clips", "releases"]


def test_work_that_needs_a_scarce_thing_runs_in_its_pool(parsed: dict) -> None:
    pools = {name: task["pool"] for dag in parsed["dags"].values() for name, task in dag["tasks"].items()}
    assert (pools["harvest_batch"], pools["harvest_youtube"]) == ("harvest", "harvest_youtube")
    assert set(pools.values()) - {"default_pool"} == settings.Settings().pools.keys()
    assert pools["transcode_batch"] == pools["build_shards"] == "transcode"


def test_each_site_that_is_named_has_a_pool_and_a_task_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN_EMPATHIC_HARVEST_SITES", '["youtube", "talks.example"]')
    tasks = run_python(READ_DAGS, tmp_path)["dags"]["harvest_clips"]["tasks"]
    assert tasks["harvest_talks_example"]["pool"] == "harvest_talks_example"
    assert tasks["plan_harvest_talks_example"]["downstream"] == ["harvest_talks_example"]
    assert "harvest_talks_example" in settings.Settings().pools


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_it_parses_fast_and_without_heavy_libraries(dag_id: str, tmp_path: Path) -> None:
    measured = run_python(TIME_IMPORT, tmp_path, dag_id)
    assert HEAVY.isdisjoint(measured["modules"])
    assert measured["import_s"] < MAX_IMPORT_S


def test_the_bundle_is_the_repository_and_only_dags_are_parsed() -> None:
    lines = [line for line in (ROOT / ".airflowignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["*", "!dags/", "!dags/*.py"]


def test_dag_files_are_wiring() -> None:
    for path in (ROOT / "dags").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 120, path


def test_the_reference_page_is_what_the_dags_say(tmp_path: Path) -> None:
    environment = process_environment(AIRFLOW_HOME=str(tmp_path), PYTHONPATH=str(ROOT))
    command = [sys.executable, "-m", "local.dag_reference", "--stdout"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split("RESULT")[1] == (ROOT / "docs" / "dags.md").read_text(encoding="utf-8"), "run `make docs`"
