"""The parameters of merge_annotations, through Airflow: the valence's scale, a dry run, a relabel.

`airflow dags test` runs the DAG's own tasks with Airflow's own templates, mapping and conditions, without a scheduler.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include import settings, store
from tests.conftest import annotation, believe, merge, sql
from tests.test_readers import export_csv, export_row

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]
CLIP = "youtube-abcdefghijk-0-10000"

Run = Callable[..., str]


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of an Airflow with an empty SQLite of its own, whose bundle is the repository."""
    bundle = {
        "name": "open-empathic",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(settings.ROOT)},
    }
    environment = settings.process_environment(
        AIRFLOW_HOME=str(tmp_path_factory.mktemp("airflow")),
        PYTHONPATH=str(settings.ROOT),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__UNIT_TEST_MODE="False",
        AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=json.dumps([bundle]),
    )
    airflow(environment, "db", "migrate")
    return environment


def airflow(environment: dict[str, str], *arguments: str) -> str:
    command = [Path(sys.executable).with_name("airflow"), *arguments]
    done = subprocess.run(command, env=environment, cwd=settings.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


@pytest.fixture
def run(airflow_home: dict[str, str], pipeline: settings.Settings) -> Run:
    """Run the DAG on the test's catalog and store with parameters; its log."""
    environment = {
        **airflow_home,
        "OPEN_EMPATHIC_CATALOG_URL": str(pipeline.catalog_url),
        "OPEN_EMPATHIC_STORE_URL": pipeline.store_url,
    }

    def run_dag(**params: Any) -> str:
        log = airflow(environment, "dags", "test", "merge_annotations", "--conf", json.dumps(params))
        assert "state=success" in log or "state:success" in log, log[-4000:]
        return log

    return run_dag


def drop_export() -> None:
    store.write_bytes("inbox/annotations/export.csv", export_csv(export_row(valence=8)))


def test_the_scale_of_valence_and_a_relabel_are_asked_for(run: Run) -> None:
    quiet = "youtube-abcdefghijk-500-10000"
    merge([annotation(quiet, "ada", arousal=0), annotation(quiet, "bo", arousal=10)])
    believe("bo", weight=3)
    drop_export()
    run()
    assert "Say which" in sql("select reason from catalog.annotation_reject")[0]["reason"]
    assert [path.rpartition("/")[0][:15] for path in store.paths_below("inbox")] == ["inbox/rejected/"]
    assert sql("select clip_id, arousal_weighted from catalog.label") == [{"clip_id": quiet, "arousal_weighted": 5.0}]
    drop_export()
    log = run(valence_scale="model", relabel=True)
    assert store.paths_below("inbox/annotations") == []
    assert "1 accepted" in log
    assert sql("select clip_id, valence_mean from catalog.label where valence_mean <> 0") == [
        {"clip_id": CLIP, "valence_mean": 3.0}
    ]
    assert sql("select arousal_weighted from catalog.label where clip_id = %s", quiet) == [{"arousal_weighted": 7.5}]
