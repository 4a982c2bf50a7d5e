"""Expectations on a frozen release, by Great Expectations on Postgres: what must hold before it is published.

The suite reads the view catalog.checked_clip; the release's version reaches it as a setting of the session.
"""

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include import catalog, settings, store

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

log = logging.getLogger(__name__)

MAX_EXAMPLES = 10


class CheckFailed(Exception):
    """The release may not be published; the message names each expectation that failed, figures and clips."""


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
        gxe.UnexpectedRowsExpectation(
            description="no speaker group stands in two splits",
            unexpected_rows_query=catalog.statement("select_divided_speaker_groups"),
        ),
        gxe.UnexpectedRowsExpectation(
            description="nothing taken down or rejected meanwhile is released",
            unexpected_rows_query=catalog.statement("select_unready_released_clips"),
        ),
    ]


def check_release(version: str) -> dict[str, Any]:
    """Run the suite on a frozen release and keep its results in the release's `checks/results.json`.

    A published release keeps those that it was published with. Returns counts: `passed`, `failed`. Raises CheckFailed.
    """
    results = _validate(version)
    if not _is_published(version):
        store.write_bytes(f"releases/{version}/checks/results.json", json.dumps(results, indent=1).encode())
    failed = [result for result in results if not result["success"]]
    for result in results:
        log.log(logging.INFO if result["success"] else logging.ERROR, "%s", describe(result))
    if failed:
        details = "\n".join(f"  - {describe(result)}" for result in failed)
        raise CheckFailed(f"release {version} fails {len(failed)} of {len(results)} checks:\n{details}")
    return {"passed": len(results), "failed": 0}


def _is_published(version: str) -> bool:
    with catalog.connect() as connection:
        found = connection.execute("select state from catalog.release where version = %s", [version]).fetchone()
    return found is not None and found["state"] == "published"


def describe(result: dict[str, Any]) -> str:
    """One result on a line: the expectation, its figures, and up to ten offending clips."""
    text = f"{'passed' if result['success'] else 'FAILED'} {result['expectation']} {json.dumps(result['expected'])}"
    if not result["success"]:
        text += f": {json.dumps(result['observed'])}"
        if result["clip_ids"]:
            text += f", e.g. {', '.join(result['clip_ids'])}"
    return text


def _validate(version: str) -> list[dict[str, Any]]:
    """Results of the suite: expectation, what it expected, what was observed, offending clips."""
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_postgres("catalog", connection_string=_connection_string(version))
    asset = source.add_table_asset("checked_clip", table_name="checked_clip", schema_name="catalog")
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    suite = gx.ExpectationSuite(name="release", expectations=expectations())
    result_format = {"result_format": "COMPLETE", "unexpected_index_column_names": ["clip_id"]}
    return [_summary(result) for result in batch.validate(suite, result_format=result_format).results]


def _connection_string(version: str) -> str:
    """The catalog's URL for SQLAlchemy, with the release's version as a setting of each session."""
    url = catalog.url().replace("postgresql://", "postgresql+psycopg2://", 1)
    option = quote(f"-c open_empathic.release_version={version} -c timezone=UTC")
    return f"{url}{'&' if '?' in url else '?'}options={option}"


def _summary(result: Any) -> dict[str, Any]:
    """A Great Expectations result without what changes from run to run."""
    observed, configuration = result.result, result.expectation_config
    hidden = ("batch_id", "unexpected_rows_query", "description")
    expected = {key: value for key, value in configuration.kwargs.items() if key not in hidden}
    examples = observed.get("unexpected_index_list") or observed.get("details", {}).get("unexpected_rows") or []
    summary = {
        "expectation": configuration.description or configuration.type,
        "expected": expected,
        "success": bool(result.success),
        "observed": {
            key: observed[key] for key in ("observed_value", "element_count", "unexpected_count") if key in observed
        },
        "clip_ids": sorted(str(row["clip_id"]) for row in examples)[:MAX_EXAMPLES],
    }
    exceptions = _exceptions(result.exception_info)
    if exceptions:
        summary["observed"] = {"exceptions": exceptions}
    return summary


def _exceptions(info: dict[str, Any]) -> list[str]:
    """Why an expectation could not be evaluated: Great Expectations says it once, or once a metric."""
    found = [info] if "raised_exception" in info else info.values()
    return sorted({str(fault["exception_message"])[:500] for fault in found if fault.get("raised_exception")})
