"""The checks' results as a site to read: Great Expectations' Data Docs, made so that the same results give the same
bytes, behind an index of our own.

Their pages load styles, icons and scripts from public servers when they are opened, and their index is empty without.
Ours says all that was found, and loads nothing.
"""

import json
import re
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult

# Of what a site brings along, 4 MB of pictures for beginners and a font are not a release's business.
KEPT = (".html", ".css", ".ico")
TEMPLATES = Path(__file__).parent / "templates"
SITE = {"class_name": "SiteBuilder", "show_how_to_buttons": False}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The moment of rendering, so that a browser asks for the logo anew.
_MOMENT = re.compile(r"(?<=\.png)\?d=[0-9TZ.]+")


def build(
    version: str, results: list[dict[str, Any]], reports: "dict[str, ExpectationSuiteValidationResult]"
) -> dict[str, bytes]:
    """The pages for a release's results and its reports by suite: content by path.

    `index.html` has every result and links to one page a suite.
    """
    import great_expectations as gx
    from great_expectations.core import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    context = gx.get_context(mode="ephemeral")
    for known in context.get_site_names():
        context.delete_data_docs_site(known)
    # A version is a day: the run's own moment would make other bytes each time.
    year, month, day_of_month = (int(part) for part in version.split(".")[:3])
    day = datetime(year, month, day_of_month, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as folder:
        backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": folder}
        context.add_data_docs_site("checks", {**SITE, "store_backend": backend})
        for suite, report in reports.items():
            report.meta = {**report.meta, "validation_time": f"{day:%Y%m%dT%H%M%S.%fZ}", "batch_markers": {}}
            key = ValidationResultIdentifier(
                expectation_suite_identifier=ExpectationSuiteIdentifier(name=suite),
                run_id=RunIdentifier(run_name=version, run_time=day),
                batch_identifier="catalog",
            )
            context.validation_results_store.set(key, report)
        context.build_data_docs(build_index=False)  # ours takes its place
        pages = {
            path.relative_to(folder).as_posix(): _settled(path)
            for path in sorted(Path(folder).rglob("*"))
            if path.suffix in KEPT
        }
    return {**pages, "index.html": index(version, results, list(pages))}


def index(version: str, results: list[dict[str, Any]], paths: Iterable[str]) -> bytes:
    """The page of all results, with links to those pages of suites that are among `paths`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    environment.filters["json"] = json.dumps
    pages = {path.split("/")[1]: path for path in paths if path.startswith("validations/")}
    suites = {
        name: (pages.get(name), [result for result in results if result["suite"] == name])
        for name in dict.fromkeys(result["suite"] for result in results)
    }
    return environment.get_template("checks.html.jinja").render(version=version, suites=suites).encode()


def _settled(path: Path) -> bytes:
    """A file without what differs from one rendering to the next: element ids are numbered instead."""
    if path.suffix != ".html":
        return path.read_bytes()
    numbers: dict[str, str] = {}
    text = _UUID.sub(lambda found: numbers.setdefault(found[0], f"element-{len(numbers)}"), path.read_text("utf-8"))
    return _MOMENT.sub("", text).encode()
