"""The page "Open Empathic": how far the data set is, what was published, what was refused. Reads only.

All text that came from outside (ids, addresses, reasons) is escaped by the template, and the headers let the browser
run no script and load nothing but this app's style sheet.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg
from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
PATIENCE_S = 20.0
MAX_REFUSALS = 50
MAX_RELEASES = 30
MAX_ANNOTATORS = 30

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

STEPS = {
    "sources": "recordings found",
    "candidates": "clips cut out of them, ever",
    "ready": "clips with clean audio",
    "annotated": "ready clips that somebody labelled",
    "released": "clips in the newest release",
}
STATES = {
    "candidate": "waits for its audio",
    "ready": "has audio",
    "rejected": "unusable, for good",
    "failed": "will be tried again",
    "gone": "its source is no longer there",
    "blocked": "taken down",
}
ANNOTATIONS = {
    "counted": "an annotator's latest word on a clip; makes the labels",
    "superseded": "the same annotator said something newer",
    "retractions": "taken back by the annotator",
    "waiting": "for a clip that is not known yet",
    "rejected": "not a valid annotation",
}

UNREACHABLE = (
    "The catalog can't be reached: check that its Postgres server runs and that the Airflow Connection"
    " open_empathic_catalog, or OPEN_EMPATHIC_CATALOG_URL, names it, then reload this page."
)
SLOW = (
    f"The catalog gave no answer within {PATIENCE_S:.0f} s: check that its Postgres server can be reached from the"
    " api-server and is not overloaded, then reload this page."
)
UNREADABLE = "The catalog can't be read: the api-server's log has the reason under open_empathic.page."
UNMIGRATED = "The catalog has no up-to-date tables yet: run ./oe migrate, which makes them."
EMPTY = "The catalog is empty: trigger the DAG harvest_clips first, it finds recordings and cuts them into clips."


def make_app() -> FastAPI:
    """The app, to be mounted anywhere. The api-server mounts it without any check, so it brings its own."""
    app = FastAPI(title="Open Empathic", openapi_url=None, dependencies=[Depends(requires_authenticated())])
    app.middleware("http")(_with_headers)
    app.get("/")(_page)
    # Routes, not a StaticFiles mount: the dependencies of an app don't reach what is mounted in it.
    for name in ("style.css", "icon.svg"):
        app.get(f"/{name}")(_file_sender(HERE / "static" / name))
    return app


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(HEADERS)
    return response


def _file_sender(path: Path) -> Callable[[], FileResponse]:
    def send() -> FileResponse:
        return FileResponse(path)

    return send


async def _page() -> HTMLResponse:
    """The page, or one sentence on why there is none and what to do."""
    try:
        with anyio.fail_after(PATIENCE_S):
            found = await anyio.to_thread.run_sync(_read, abandon_on_cancel=True)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return _html("notice.html", notice=UNMIGRATED)
    except TimeoutError:
        return _html("notice.html", 503, notice=SLOW)
    except psycopg.OperationalError:
        log.warning("the catalog can't be reached", exc_info=True)
        return _html("notice.html", 503, notice=UNREACHABLE)
    except Exception:
        log.exception("the catalog can't be read")
        return _html("notice.html", 503, notice=UNREADABLE)
    return _html("page.html", **_figures(**found))


def _read() -> dict[str, Any]:
    from include import funnel, raters

    return {
        **funnel.read(),
        "refusals": funnel.newest_refusals(MAX_REFUSALS),
        "doubted": [row for row in raters.annotators(limit=MAX_ANNOTATORS) if row["signals"] or row["decided"]],
    }


def _figures(
    funnel: dict[str, int],
    clips: dict[str, int],
    annotations: dict[str, int],
    releases: list[dict[str, Any]],
    refusals: list[dict[str, Any]],
    doubted: list[dict[str, Any]],
) -> dict[str, Any]:
    """What the template shows: each count with what it means and its shares."""
    counts = [funnel[step] for step in STEPS]
    widest = max(*counts, 1)
    n_rows = sum(annotations[fate] for fate in ANNOTATIONS)
    return {
        "notice": None if any([*counts, n_rows, *refusals]) else EMPTY,
        "steps": [
            {
                "name": step,
                "meaning": meaning,
                "count": funnel[step],
                "width": 100 * funnel[step] / widest,
                # Sources are recordings, all other steps are clips: a share of one in the other says nothing.
                "share": None if step == "sources" else _share(funnel[step], funnel["candidates"]),
                "step_share": None if step in ("sources", "candidates") else _share(funnel[step], before),
            }
            for (step, meaning), before in zip(STEPS.items(), [0, *counts], strict=False)
        ],
        "states": _counted(STATES, clips),
        "annotations": _counted(ANNOTATIONS, annotations),
        "n_rows": n_rows,
        "n_annotators": annotations["annotators"],
        "releases": releases[:MAX_RELEASES],
        "n_older_releases": len(releases[MAX_RELEASES:]),
        "refusals": refusals,
        "max_refusals": MAX_REFUSALS,
        "doubted": doubted,
        "max_annotators": MAX_ANNOTATORS,
    }


def _counted(meanings: dict[str, str], counts: dict[str, int]) -> list[dict[str, Any]]:
    total = sum(counts.get(name, 0) for name in meanings)
    return [
        {"name": name, "meaning": meaning, "count": counts.get(name, 0), "share": _share(counts.get(name, 0), total)}
        for name, meaning in meanings.items()
    ]


def _share(part: int, whole: int) -> float | None:
    """Percent; None where there is nothing to have a share of."""
    return 100 * part / whole if whole else None


def _html(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    page = _templates().get_template(template).render(now=datetime.now(UTC), **values)
    return HTMLResponse(page, status_code=status)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _as_count, "percent": _as_percent, "minute": _as_minute}
    return environment


def _as_count(number: int) -> str:
    return f"{number:,}"


def _as_percent(share: float | None) -> str:
    """Whole percent, but never 0 % for something nor 100 % for less than all."""
    if share is None:
        return "–"
    if 0 < share < 1:
        return "< 1 %"
    if 99 < share < 100:
        return "> 99 %"
    return f"{share:.0f} %"


def _as_minute(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else "–"
