"""Harvest: taking in a manifest, planning a night, reading metadata.

`.venv/bin/python -m benchmarks.bench_harvest [rows]` uses the embedded server of OPEN_EMPATHIC_RUN, in a database of
its own that is dropped at the end.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg

from include import catalog, clip_list, harvest, harvest_plan, settings
from local.serve import serving

N_PAGES = 60


def timed(work: Callable[[], object]) -> float:
    """Seconds of wall clock that `work` takes."""
    started_at = time.perf_counter()
    work()
    return time.perf_counter() - started_at


def show(what: str, figure: str, goal: str) -> None:
    """One row of the table."""
    print(f"{what:<52}{figure:>22}   goal {goal}", flush=True)


def bench_manifest(folder: Path, n_rows: int) -> None:
    """A manifest of as many sources as rows, twice; then what a night's plan costs with all of them known."""
    path = folder / "clips.csv"
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{n * 7919 % 10**9:011d},{n % 300},{n % 300 + 10},a label\n" for n in range(n_rows))
    first_s = timed(lambda: clip_list.import_file(path))
    again_s = timed(lambda: clip_list.import_file(path))
    show(f"manifest of {n_rows:,} rows", f"{n_rows / first_s:,.0f} rows/s", ">= 50,000 rows/s")
    show("the same again", f"{again_s / first_s:.2f} x the first", "<= 1")
    with catalog.connect() as connection:
        connection.execute("update catalog.source set is_unread = false")
        connection.execute(
            "insert into catalog.address (url, outcome, next_try_at)"
            " select url, case when n <= 1000 then 'transient' else 'ok' end, case when n <= 1000 then now() end"
            " from (select url, row_number() over () as n from catalog.source) as known"
            " on conflict do nothing"
        )
    with psycopg.connect(catalog.url(), autocommit=True) as connection:
        connection.execute("vacuum analyze")
    show(f"plan with {n_rows:,} sources known, 1,000 due", f"{timed(harvest_plan.plan_batches):.2f} s", "< 2 s")


def bench_metadata(folder: Path) -> None:
    """Reading the metadata of pages, by yt-dlp alone in one process and by a harvest."""
    for run in ("warm", "alone", "listed", "ours"):
        for n in range(N_PAGES):
            (folder / f"{run}{n}.html").write_text(
                f"<html><head><title>t {n}</title></head><body><p>{'x' * 20_000}</p>"
                f'<video src="{run}{n}.mp4"></video></body></html>'
            )
    with serving(folder) as site:

        def alone(pages: str, **options: object) -> None:
            import yt_dlp

            with yt_dlp.YoutubeDL({"quiet": True, "no_warnings": True, **options}) as client:
                for n in range(N_PAGES):
                    client.extract_info(f"{site}/{pages}{n}.html", download=False)

        harvest.harvest_batch([f"{site}/none.html"])  # loads what both need
        harvest.harvest_batch([f"{site}/warm{n}.html" for n in range(N_PAGES)])
        alone_s = timed(lambda: alone("alone"))
        listed_s = timed(lambda: alone("listed", allowed_extractors=list(settings.current().allowed_extractors)))
        ours_s = timed(lambda: harvest.harvest_batch([f"{site}/ours{n}.html" for n in range(N_PAGES)]))
    show(f"metadata of {N_PAGES} pages, against yt-dlp alone", f"{alone_s / ours_s:.0%} of its rate", ">= 80 %")
    show("the same, it with our list of extractors", f"{listed_s / ours_s:.0%} of its rate", ">= 80 %")


def main() -> None:
    """Run all, on the embedded server."""
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    name = f"bench_{uuid4().hex[:8]}"
    url = catalog.embedded_url(name)
    settings.configure(catalog_url=url, **settings.LOOPBACK_SITES)
    catalog.migrate()
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench_metadata(Path(folder))
            bench_manifest(Path(folder), n_rows)
    finally:
        with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
            connection.execute(f"drop database {name}")


if __name__ == "__main__":
    main()
