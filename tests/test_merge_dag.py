"""The parameters of merge_annotations, through Airflow: the valence's scale, a dry run, a relabel.

`airflow dags test` runs the DAG's own tasks with Airflow's own templates, mapping and conditions, without a scheduler.
"""

from collections.abc import Callable

import pytest

from include import store
from tests.conftest import annotation, believe, merge, sql
from tests.test_readers import export_csv, export_row

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]
CLIP = "youtube-abcdefghijk-0-10000"


def drop_export() -> None:
    store.write_bytes("inbox/annotations/export.csv", export_csv(export_row(valence=8)))


def test_the_scale_of_valence_and_a_relabel_are_asked_for(run_dag: Callable[..., str]) -> None:
    quiet = "youtube-abcdefghijk-500-10000"
    merge([annotation(quiet, "ada", arousal=0), annotation(quiet, "bo", arousal=10)])
    believe("bo", weight=3)
    drop_export()
    run_dag("merge_annotations", {})
    assert "Say which" in sql("select reason from catalog.annotation_reject")[0]["reason"]
    assert [path.rpartition("/")[0][:15] for path in store.paths_below("inbox")] == ["inbox/rejected/"]
    assert sql("select clip_id, arousal_weighted from catalog.label") == [{"clip_id": quiet, "arousal_weighted": 5.0}]
    drop_export()
    log = run_dag("merge_annotations", {"valence_scale": "model", "relabel": True})
    assert store.paths_below("inbox/annotations") == []
    assert "1 accepted" in log
    assert sql("select clip_id, valence_mean from catalog.label where valence_mean <> 0") == [
        {"clip_id": CLIP, "valence_mean": 3.0}
    ]
    assert sql("select arousal_weighted from catalog.label where clip_id = %s", quiet) == [{"arousal_weighted": 7.5}]
