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

from include import catalog, clip_list, coverage, faults, harvest, harvest_plan, ledger, settings, sources, transcode
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
    """A manifest of as many sources as rows, twice."""
    path = folder / "clips.csv"
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{n * 7919 % 10**9:011d},{n % 300},{n % 300 + 10},a label\n" for n in range(n_rows))
    first_s = timed(lambda: clip_list.import_file(path))
    again_s = timed(lambda: clip_list.import_file(path))
    show(f"manifest of {n_rows:,} rows", f"{n_rows / first_s:,.0f} rows/s", ">= 50,000 rows/s")
    show("the same again", f"{again_s / first_s:.2f} x the first", "<= 1")


KNOWN = """
truncate catalog.address, catalog.clip, catalog.source, catalog.label cascade;
insert into catalog.source (source_id, url, speaker_group, is_unread, refusal, aim)
select 'bench:' || n, 'https://bench.example/' || n, 'bench:c' || n / 10, n % 10 = 0,
    case when n % 10 = 0 then 'gone: removed' end,
    case when n % 10 <> 0 then '{{"language": ["de"]}}' else '{{}}' end::jsonb
from generate_series(1, {n_known}) as n;
insert into catalog.address (url, outcome, next_try_at)
select 'https://bench.example/' || n,
    case when n <= {n_due} then 'transient' when n % 10 = 0 then 'gone' when n % 7 = 0 then 'transient' else 'ok' end,
    case when n <= {n_due} then now() when n % 7 = 0 then now() + interval '9 days' end
from generate_series(1, {n_known}) as n;
insert into catalog.clip (clip_id, source_id, start_ms, end_ms, state, reason, retry_at, audio_sha256, duration_s,
    has_unread_source)
select 'bench-' || n, 'bench:' || n, 0, 9000,
    case when n % 10 = 0 then 'gone' when n <= {n_due} then 'candidate' when n % 7 = 0 then 'failed' else 'ready' end,
    case when n % 10 = 0 then 'gone: removed' when n % 7 = 0 then 'transient: 503' end,
    case when n % 7 = 0 then now() + interval '9 days' end,
    repeat('0', 64), 9.0, n % 10 = 0
from generate_series(1, {n_known}) as n;
insert into catalog.label (clip_id, n_raters, emotion_votes, word_votes, emotion_soft, emotion_hard, emotion_plurality,
    has_agreement, arousal_n, valence_n, background_sounds, is_held, vocabulary_version, language, perceived_gender)
select clip_id, 3, '{{}}', '{{}}', '{{}}', '{{}}', array['sad_and_despondent'], true, 0, 0, '{{}}', false, 'v', 'de',
    'female'
from catalog.clip where state = 'ready';
vacuum analyze
"""

RENEWED = """
create temporary table renewed as
select * from catalog.label where clip_id in (select clip_id from catalog.clip where state = 'ready' limit {n_due});
delete from catalog.label using renewed where label.clip_id = renewed.clip_id;
insert into catalog.label select * from renewed;
update catalog.clip set state = 'ready'
where clip_id in (select clip_id from catalog.clip where state = 'failed' limit {n_due} / 10)
"""

ENTRIES = """
entries:
  - {kind: search, query: a, families: [sad_and_despondent]}
  - {kind: search, query: b, language: de}
quotas: {family: {sad_and_despondent: 9000000}, language: {de: 9000000}}
"""


def run(script: str) -> None:
    """Run SQL statements, each by itself."""
    with psycopg.connect(catalog.url(), autocommit=True) as connection:
        for statement in script.split(";\n"):
            connection.execute(statement)


def bench_plan(folder: Path, n_known: int) -> None:
    """A night's plans, of harvest and transcoding, at several numbers of sources known and due.

    As many clips as are due were annotated since the last plan, and a tenth as many were transcoded.
    """
    sources.SOURCES = folder / "sources.yaml"
    sources.SOURCES.write_text(ENTRIES, encoding="utf-8")
    for known, due in ((n_known // 10, 1_000), (n_known, 1_000), (n_known, 10_000)):
        run(KNOWN.format(n_known=known, n_due=due))
        from_scratch_s = timed(coverage.read)
        run(RENEWED.format(n_due=due))
        what = f"{known:,} sources known, {due:,} due"
        show(f"coverage from scratch, {what}", f"{from_scratch_s:.2f} s", "once after a relabel")
        show(f"coverage, {what}", f"{timed(coverage.read):.2f} s", "follows the due")
        run(RENEWED.format(n_due=due))
        show(f"due, {what}", f"{timed(lambda: ledger.addresses_to_retry(faults.DUE)):.2f} s", "follows the due")
        show(f"harvest's plan, {what}", f"{timed(harvest_plan.plan_batches):.2f} s", "< 2 s")
        show(f"transcoding's plan, {what}", f"{timed(transcode.plan_batches):.2f} s", "< 2 s")


ROUNDS = 6


def bench_metadata(folder: Path) -> None:
    """Reading the metadata of pages, by yt-dlp alone in one process and by a harvest; in turns, as the load changes."""
    spent_s: dict[str, float] = dict.fromkeys(("alone", "listed", "ours"), 0.0)
    for run in ("warm", *(f"{name}{n}" for name in spent_s for n in range(ROUNDS))):
        for n in range(N_PAGES):
            (folder / f"{run}_{n}.html").write_text(
                f"<html><head><title>t {n}</title></head><body><p>{'x' * 20_000}</p>"
                f'<video src="{run}_{n}.mp4"></video></body></html>'
            )
    with serving(folder) as site:

        def pages(run: str) -> list[str]:
            return [f"{site}/{run}_{n}.html" for n in range(N_PAGES)]

        def alone(run: str, **options: object) -> None:
            import yt_dlp

            with yt_dlp.YoutubeDL({"quiet": True, "no_warnings": True, **options}) as client:
                for page in pages(run):
                    client.extract_info(page, download=False)

        harvest.harvest_batch(pages("warm"))  # loads what both need
        allowed = list(settings.current().allowed_extractors)
        for n in range(ROUNDS):
            spent_s["alone"] += timed(lambda n=n: alone(f"alone{n}"))
            spent_s["listed"] += timed(lambda n=n: alone(f"listed{n}", allowed_extractors=allowed))
            spent_s["ours"] += timed(lambda n=n: harvest.harvest_batch(pages(f"ours{n}")))
    what = f"metadata of {ROUNDS * N_PAGES} pages"
    show(f"{what}, against yt-dlp alone", f"{spent_s['alone'] / spent_s['ours']:.0%} of its rate", ">= 80 %")
    show(
        "the same, it with our list of extractors", f"{spent_s['listed'] / spent_s['ours']:.0%} of its rate", ">= 80 %"
    )


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
            bench_plan(Path(folder), n_rows)
    finally:
        with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
            connection.execute(f"drop database {name}")


if __name__ == "__main__":
    main()
