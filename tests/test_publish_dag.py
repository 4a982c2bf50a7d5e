"""The parameters and the secret of publish_release, through Airflow: where clips lie in shards, who annotators are."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from include import release, settings, store, tables
from tests.conftest import agreed, ready_clip, sql

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

V1, V2 = "2026.01.01", "2026.01.02"
KEY = "a key that nobody guesses"


def shard_sizes(version: str) -> list[int]:
    (split,) = release.read_manifest(version)["splits"].values()
    return [shard["n_samples"] for shard in split["shards"]]


def annotators(version: str) -> set[str]:
    table = pq.read_table(store.url(f"releases/{version}/votes.parquet").removeprefix("file://"))
    return set(table["annotator"].to_pylist())


def test_compact_is_asked_for_and_the_key_of_pseudonyms_comes_from_the_connection(
    pipeline: settings.Settings, run_dag: Callable[..., str], tmp_path: Path
) -> None:
    settings.configure(**{**pipeline.model_dump(), "shard_samples": 3})
    clip_ids = sorted(ready_clip("abcdefghijk", n * 1000, channel="One") for n in range(7))
    agreed(clip_ids)
    release.build(V1)
    sql("update catalog.clip set state = 'blocked', reason = 'taken down' where clip_id = %s", clip_ids[0])
    said = run_dag(
        "publish_release",
        {"version": V2, "compact": True},
        OPEN_EMPATHIC_SHARD_SAMPLES="3",
        AIRFLOW__LOGGING__NAMESPACE_LEVELS="include=DEBUG",
        AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(tmp_path / "logs"),
        AIRFLOW_CONN_OPEN_EMPATHIC_PSEUDONYMS=json.dumps({"conn_type": "generic", "password": KEY}),
    )
    assert release.latest_version() == V2
    assert (shard_sizes(V1), shard_sizes(V2)) == ([3, 3, 1], [3, 3])  # without it: 2, 3, 1
    assert annotators(V2) == {tables.pseudonym(f"rater-{n}", KEY.encode()) for n in range(3)}
    assert annotators(V1).isdisjoint(annotators(V2))
    said += "".join(path.read_text(encoding="utf-8", errors="replace") for path in (tmp_path / "logs").rglob("*.log"))
    assert KEY not in said
