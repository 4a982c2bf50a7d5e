"""Checks of a frozen release and of the catalog behind it: Great Expectations, in SQL, on Postgres.

What is checked stands in `suites.py`. A run makes the tables that the suites read in the schema `checking`, keeps the
results in the catalog and beside the release, and raises if what is critical failed. What reading the shards back
found is kept with them.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include import agreement, catalog, data_docs, store
from include.suites import MIN_CLIPS_TO_COMPARE, Suite, suites

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.datasource.fluent import PostgresDatasource
    from great_expectations.datasource.fluent.interfaces import Batch
    from great_expectations.expectations import Expectation
    from psycopg import Connection

log = logging.getLogger(__name__)

MAX_EXAMPLES = 10
# Each with those that it is made of; in this order they are begun, so that no table waits for one behind it.
TABLES: dict[str, tuple[str, ...]] = {
    "release": (),
    "agreement": (),
    "source": (),
    "clip": (),
    "clip_digest": ("clip",),
    "annotation": (),
    "annotation_digest": (),
    "label": (),
    "repeated_audio": ("release",),
    "divided_speaker_group": ("release",),
    "group_share": ("release",),
    "sum": ("release", "label"),
}
# The server has work while ours is done, or while one table is written, which one process does alone.
MAKERS = 2
# Rows are sorted and hashed by the million. What the planner can't know: indexes are read in their order, and to read a
# row's JSON costs far more than to hand the row from one worker to another. And tables are read from end to end, which
# the operating system has done ahead: asking other processes for each page took a quarter of the CPU.
# https://www.postgresql.org/docs/current/runtime-config-query.html
# https://www.postgresql.org/docs/current/runtime-config-resource.html
SERVER = {
    "work_mem": "256MB",
    "random_page_cost": "1.1",
    "parallel_tuple_cost": "0.01",
    "effective_io_concurrency": "0",
}


class CheckFailed(Exception):
    """The release may not be published; the message names each expectation that failed, figures and clips."""


def check_release(version: str, *, is_drift_allowed: bool = False) -> dict[str, Any]:
    """Run all suites for a frozen release. Below the release's `checks/` it leaves `results.json` and a report to read.

    Each run's results are kept in catalog.check_result too; a release with a manifest keeps the files that it lists.
    With `is_drift_allowed`, no distance from the last release stops it. Returns counts: `passed`, `warnings`,
    `failed`. Raises CheckFailed if what is critical failed.
    """
    # Great Expectations is imported by this, before threads import what it does too.
    chosen = suites(is_drift_allowed=is_drift_allowed)
    with _checking(version) as wait_for:
        results, reports = _validate(chosen, wait_for)
    _keep(version, results)
    if not _has_manifest(version):
        root = f"releases/{version}/checks"
        for path in store.paths_below(root):
            store.delete(path)
        store.write_bytes(f"{root}/results.json", json.dumps(results, indent=1).encode())
        for name, content in data_docs.build(version, results, reports).items():
            store.write_bytes(f"{root}/{name}", content)
    failed = [result for result in results if not result["success"] and result["severity"] == "critical"]
    warned = [result for result in results if not result["success"] and result["severity"] != "critical"]
    # What failed comes last: that is where one looks.
    for level, told in ((logging.INFO, results), (logging.WARNING, warned), (logging.ERROR, failed)):
        for result in told:
            if result["success"] == (level == logging.INFO):
                log.log(level, "%s", describe(result))
    if failed:
        details = "\n".join(f"  - {describe(result)}" for result in failed)
        raise CheckFailed(f"release {version} fails {len(failed)} of {len(results)} checks:\n{details}")
    return {"passed": len(results) - len(warned), "warnings": len(warned), "failed": 0}


@contextmanager
def _checking(version: str) -> "Iterator[Callable[[str], None]]":
    """The schema `checking`, whose tables are made in the background; the function given waits until one is there.

    It raises CheckFailed if a frozen sample holds what no column of its kind can. Runs of the checks wait for each
    other.
    """
    with catalog.connect() as lock, ExitStack() as stack:
        lock.autocommit = True  # the schema goes whatever happens here
        lock.execute("select pg_advisory_lock(hashtext('open_empathic_checks'))")
        with catalog.connect() as connection:
            # One that is left of a run that was killed.
            connection.execute("drop schema if exists checking cascade")
            connection.execute("create schema checking")
            release = connection.execute("select parent from catalog.release where version = %s", [version]).fetchone()
        parameters = {
            "version": version,
            "parent": release["parent"] if release is not None else None,
            "min_clips": MIN_CLIPS_TO_COMPARE,
        }
        idle: SimpleQueue[Connection[catalog.Row]] = SimpleQueue()
        for _ in range(MAKERS):
            idle.put(stack.enter_context(_maker()))
        pool = ThreadPoolExecutor(MAKERS)
        try:
            made: dict[str, Future[None]] = {}
            for table, parts in TABLES.items():
                made[table] = pool.submit(_make_table, idle, table, [made[part] for part in parts], parameters)
            yield lambda table: made[table].result()
        finally:
            pool.shutdown(cancel_futures=True)
            lock.execute("drop schema checking cascade")


@contextmanager
def _maker() -> "Iterator[Connection[catalog.Row]]":
    """A connection that makes tables, each of which others see as soon as it is made."""
    with catalog.connect() as connection:
        connection.autocommit = True
        for name, value in SERVER.items():
            connection.execute("select set_config(%s, %s, false)", [name, value])
        yield connection


def _make_table(
    idle: "SimpleQueue[Connection[catalog.Row]]", table: str, parts: "list[Future[None]]", parameters: dict[str, Any]
) -> None:
    """Make a table of the schema `checking` with an idle connection once its parts are there.

    What is kept of a release for the next one to be compared with is measured with the table that compares it.
    """
    import psycopg

    for part in parts:
        part.result()
    connection, version = idle.get(), parameters["version"]
    try:
        with connection.transaction():
            if table == "agreement":
                agreement.keep(connection, version)
            if table == "group_share":
                connection.execute("delete from catalog.release_group where version = %s", [version])
                catalog.run(connection, "insert_release_groups", version=version)
            catalog.run(connection, f"create_checking_{table}", **parameters)
    except psycopg.DataError as error:
        raise CheckFailed(f"release {version} holds what can't be read: {error}") from error
    finally:
        idle.put(connection)


def _keep(version: str, results: list[dict[str, Any]]) -> None:
    columns = ("version", "suite", "expectation", "expected", "severity", "is_success", "observed", "ids")
    with catalog.connect() as connection:
        catalog.copy_in(
            connection,
            "catalog.check_result",
            columns,
            [
                (version, r["suite"], r["expectation"], json.dumps(r["expected"]), r["severity"], r["success"],
                 json.dumps(r["observed"]), r["ids"])
                for r in results
            ],
        )  # fmt: skip


def keep_readback(version: str, differing: Sequence[str] | None) -> None:
    """Keep with the suites' results, and log, whether every shard of a built release holds the frozen rows.

    `differing` are the clips that were not read back as they were frozen; None if all was. An earlier outcome is
    replaced in the files, not in the catalog.
    """
    with catalog.connect() as connection:
        release = connection.execute("select n_clips from catalog.release where version = %s", [version]).fetchone()
    n_clips = release["n_clips"] if release is not None else 0
    result = {
        "suite": "shards",
        "severity": "critical",
        "expectation": "every shard's samples are the frozen rows",
        "expected": {"samples": n_clips},
        "success": differing is None,
        "observed": {"element_count": n_clips, "unexpected_count": len(differing or [])},
        "ids": sorted(differing or [])[:MAX_EXAMPLES],
    }
    _keep(version, [result])
    log.log(logging.INFO if result["success"] else logging.ERROR, "%s", describe(result))
    if _has_manifest(version):
        return
    root = f"releases/{version}/checks"
    paths = [path.removeprefix(f"{root}/") for path in store.paths_below(root)]
    before = json.loads(store.read_bytes(f"{root}/results.json")) if "results.json" in paths else []
    results = [*(other for other in before if other["suite"] != result["suite"]), result]
    store.write_bytes(f"{root}/results.json", json.dumps(results, indent=1).encode())
    store.write_bytes(f"{root}/index.html", data_docs.index(version, results, paths))


def warnings(root: str) -> list[dict[str, Any]]:
    """The warnings among the results that lie below `root` in the store."""
    results = json.loads(store.read_bytes(f"{root}/checks/results.json"))
    return [result for result in results if not result["success"]]


def _has_manifest(version: str) -> bool:
    return store.exists(f"releases/{version}/manifest.json")


def describe(result: dict[str, Any]) -> str:
    """One result on a line: the expectation, its figures, and up to ten offending ids."""
    outcome = "passed" if result["success"] else "FAILED" if result["severity"] == "critical" else "WARNING"
    text = f"{outcome} {result['expectation']} {json.dumps(result['expected'])}"
    if not result["success"]:
        text += f": {json.dumps(result['observed'])}"
        if result["ids"]:
            text += f", e.g. {', '.join(result['ids'])}"
    return text


def _validate(
    chosen: list[Suite], wait_for: Callable[[str], None]
) -> "tuple[list[dict[str, Any]], dict[str, ExpectationSuiteValidationResult]]":
    """Results of the suites: suite, severity, expectation, what it expected, what was observed, offending ids.

    And what Great Expectations says of each suite, by its name. Each suite waits for its tables.
    """
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_postgres("catalog", connection_string=_connection_string())
    results, reports = [], {}
    for suite in chosen:
        for table in suite.tables:
            wait_for(table)
        whole = _batch(source, suite.table)
        decisive = _batch(source, suite.digest) if suite.digest else whole
        # Whether they hold takes one scan for all; figures and examples take one or more for each that fails.
        report = decisive.validate(
            gx.ExpectationSuite(name=suite.name, expectations=suite.expectations), result_format="BOOLEAN_ONLY"
        )
        result_format = {"result_format": "COMPLETE", "unexpected_index_column_names": [suite.id_column]}
        report.results = [
            result if result.success else whole.validate(_expectation(result), result_format=result_format)
            for result in report.results
        ]
        results += [_summary(suite, result) for result in report.results]
        reports[suite.name] = report
    return results, reports


def _batch(source: "PostgresDatasource", table: str) -> "Batch":
    """All of a table of the schema `checking`, for Great Expectations."""
    asset = source.add_table_asset(table, table_name=table, schema_name="checking")
    return asset.add_batch_definition_whole_table("all").get_batch()


def _expectation(result: Any) -> "Expectation":
    """What a result is of: results don't come in the order of their suite."""
    return result.expectation_config.to_domain_obj()


def _connection_string() -> str:
    """The catalog's URL for SQLAlchemy."""
    url = catalog.url().replace("postgresql://", "postgresql+psycopg2://", 1)
    option = quote(" ".join(f"-c {name}={value}" for name, value in {"timezone": "UTC", **SERVER}.items()))
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
        "ids": sorted(str(row[suite.id_column]) for row in examples)[:MAX_EXAMPLES],
    }
    exceptions = _exceptions(result.exception_info)
    if exceptions:
        summary["observed"] = {"exceptions": exceptions}
    return summary


def _exceptions(info: dict[str, Any]) -> list[str]:
    """Why an expectation could not be evaluated: Great Expectations says it once, or once a metric."""
    found = [info] if "raised_exception" in info else info.values()
    return sorted({str(fault["exception_message"])[:500] for fault in found if fault.get("raised_exception")})
