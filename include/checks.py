"""Expectations on the catalog and a frozen release, by Great Expectations on Postgres, in SQL.

What is critical must hold before a release is published; what is a warning goes onto its card. The release's own
suite reads the view catalog.checked_clip; the release's version reaches it as a setting of the session.
"""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include import catalog, settings, store

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

log = logging.getLogger(__name__)

MAX_EXAMPLES = 10


class CheckFailed(Exception):
    """The release may not be published; the message names each expectation that failed, figures and clips."""


@dataclass(frozen=True)
class Suite:
    """Expectations on one table of the schema `catalog`, whose rows are named by one column."""

    name: str
    table: str
    id_column: str
    expectations: "list[Expectation]"


def suites() -> list[Suite]:
    """All suites, in the order in which data flows."""
    import great_expectations.expectations as gxe

    between, in_set = gxe.ExpectColumnValuesToBeBetween, gxe.ExpectColumnValuesToBeInSet
    return [
        Suite("sources", "source", "source_id", [
            gxe.ExpectColumnValuesToMatchRegex(column="url", regex="^https?://", severity="warning"),
            between(column="duration_s", min_value=0, strict_min=True),
        ]),
        Suite("clips", "clip", "clip_id", [
            between(column="start_ms", min_value=0),
            _no_rows("select_orphan_ready_clips", "every ready clip has audio, a length and a source"),
        ]),
        Suite("annotations", "annotation", "annotation_id", [
            between(column="arousal", min_value=0, max_value=10),
            between(column="valence", min_value=-5, max_value=5),
            _no_rows("select_future_annotations", "no annotation was submitted a day after now", "warning"),
        ]),
        Suite("labels", "label", "clip_id", [
            between(column="n_raters", min_value=0),
            _no_rows("select_miscounted_labels", "a label's raters are the annotators whose word counts"),
            in_set(column="has_agreement", value_set=[True], mostly=0.5, severity="warning"),
        ]),
        Suite("release", "checked_clip", "clip_id", expectations()),
    ]  # fmt: skip


def _no_rows(statement: str, description: str, severity: str = "critical") -> "Expectation":
    """Expect a statement of `sql/` to find nothing."""
    import great_expectations.expectations as gxe

    return gxe.UnexpectedRowsExpectation(
        description=description, unexpected_rows_query=catalog.statement(statement), severity=severity
    )


def expectations() -> "list[Expectation]":
    """What must hold for the clips of a release."""
    import great_expectations.expectations as gxe

    minimum = settings.current().min_raters
    # The other expectations pass over what is null.
    never_null = ("speaker_group", "licence", "duration_s", "sample_rate_hz", "n_raters", "is_held")
    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
        gxe.ExpectColumnValuesToMatchRegex(column="clip_id", regex="^[A-Za-z0-9_-]+$"),
        gxe.ExpectColumnValuesToBeBetween(column="duration_s", min_value=0.1, max_value=30.25),
        gxe.ExpectColumnValuesToBeInSet(column="sample_rate_hz", value_set=[settings.current().sample_rate_hz]),
        gxe.ExpectColumnValuesToBeBetween(column="n_raters", min_value=minimum),
        gxe.ExpectColumnValuesToBeBetween(column="arousal_mean", min_value=0, max_value=10),
        gxe.ExpectColumnValuesToBeBetween(column="valence_mean", min_value=-5, max_value=5),
        gxe.ExpectColumnValuesToBeBetween(column="emotion_soft_sum", min_value=0.999, max_value=1.001),
        gxe.ExpectColumnValuesToBeInSet(column="is_held", value_set=[False]),
        *(gxe.ExpectColumnValuesToNotBeNull(column=column) for column in never_null),
        _no_rows("select_divided_speaker_groups", "no speaker group stands in two splits"),
        _no_rows("select_unready_released_clips", "nothing taken down or rejected meanwhile is released"),
        _no_rows("select_clips_with_addresses", "no text holds an e-mail address"),
        _no_rows("select_clips_without_speech_text", "every clip has a transcription", "warning"),
    ]


def check_release(version: str) -> dict[str, Any]:
    """Run all suites for a frozen release; the results are kept in the release's `checks/results.json`.

    Each run's results are kept in catalog.check_result too; a published release keeps the file that it was published
    with. Returns counts: `passed`, `warnings`, `failed`. Raises CheckFailed if what is critical failed.
    """
    results = _validate(version)
    _keep(version, results)
    if not _is_published(version):
        store.write_bytes(f"releases/{version}/checks/results.json", json.dumps(results, indent=1).encode())
    failed = [result for result in results if not result["success"] and result["severity"] == "critical"]
    warned = [result for result in results if not result["success"] and result["severity"] != "critical"]
    for result in results:
        level = logging.INFO if result["success"] else logging.ERROR if result in failed else logging.WARNING
        log.log(level, "%s", describe(result))
    if failed:
        details = "\n".join(f"  - {describe(result)}" for result in failed)
        raise CheckFailed(f"release {version} fails {len(failed)} of {len(results)} checks:\n{details}")
    return {"passed": len(results) - len(warned), "warnings": len(warned), "failed": 0}


def _keep(version: str, results: list[dict[str, Any]]) -> None:
    columns = ("version", "suite", "expectation", "expected", "severity", "is_success", "observed", "ids")
    with catalog.connect() as connection:
        catalog.copy_in(
            connection,
            "catalog.check_result",
            columns,
            [
                (version, r["suite"], r["expectation"], json.dumps(r["expected"]), r["severity"], r["success"],
                 json.dumps(r["observed"]), r["clip_ids"])
                for r in results
            ],
        )  # fmt: skip


def warnings(root: str) -> list[dict[str, Any]]:
    """The warnings among the results that lie below `root` in the store."""
    results = json.loads(store.read_bytes(f"{root}/checks/results.json"))
    return [result for result in results if not result["success"]]


def _is_published(version: str) -> bool:
    with catalog.connect() as connection:
        found = connection.execute("select state from catalog.release where version = %s", [version]).fetchone()
    return found is not None and found["state"] == "published"


def describe(result: dict[str, Any]) -> str:
    """One result on a line: the expectation, its figures, and up to ten offending clips."""
    outcome = "passed" if result["success"] else "FAILED" if result["severity"] == "critical" else "WARNING"
    text = f"{outcome} {result['expectation']} {json.dumps(result['expected'])}"
    if not result["success"]:
        text += f": {json.dumps(result['observed'])}"
        if result["clip_ids"]:
            text += f", e.g. {', '.join(result['clip_ids'])}"
    return text


def _validate(version: str) -> list[dict[str, Any]]:
    """Results of all suites: suite, severity, expectation, what it expected, what was observed, offending ids."""
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_postgres("catalog", connection_string=_connection_string(version))
    results = []
    for suite in suites():
        asset = source.add_table_asset(suite.table, table_name=suite.table, schema_name="catalog")
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        result_format = {"result_format": "COMPLETE", "unexpected_index_column_names": [suite.id_column]}
        checked = batch.validate(
            gx.ExpectationSuite(name=suite.name, expectations=suite.expectations), result_format=result_format
        )
        results += [_summary(suite, result) for result in checked.results]
    return results


def _connection_string(version: str) -> str:
    """The catalog's URL for SQLAlchemy, with the release's version as a setting of each session."""
    url = catalog.url().replace("postgresql://", "postgresql+psycopg2://", 1)
    option = quote(f"-c open_empathic.release_version={version} -c timezone=UTC")
    return f"{url}{'&' if '?' in url else '?'}options={option}"


def _summary(suite: Suite, result: Any) -> dict[str, Any]:
    """A Great Expectations result without what changes from run to run."""
    observed, configuration = result.result, result.expectation_config
    hidden = ("batch_id", "severity", "unexpected_rows_query", "description")
    expected = {key: value for key, value in configuration.kwargs.items() if key not in hidden}
    examples = observed.get("unexpected_index_list") or observed.get("details", {}).get("unexpected_rows") or []
    summary = {
        "suite": suite.name,
        "severity": str(getattr(configuration.severity, "value", configuration.severity)),
        "expectation": configuration.description or configuration.type,
        "expected": expected,
        "success": bool(result.success),
        "observed": {
            key: observed[key] for key in ("observed_value", "element_count", "unexpected_count") if key in observed
        },
        "clip_ids": sorted(str(row[suite.id_column]) for row in examples)[:MAX_EXAMPLES],
    }
    exceptions = _exceptions(result.exception_info)
    if exceptions:
        summary["observed"] = {"exceptions": exceptions}
    return summary


def _exceptions(info: dict[str, Any]) -> list[str]:
    """Why an expectation could not be evaluated: Great Expectations says it once, or once a metric."""
    found = [info] if "raised_exception" in info else info.values()
    return sorted({str(fault["exception_message"])[:500] for fault in found if fault.get("raised_exception")})
