"""Annotations at scale: a file into the catalog, a night's rows on top of many, and everything again.

    python -m benchmarks.bench_annotations [FILE_ROWS] [CATALOG_ROWS]...

Default 500,000 rows a file; 500,000 and 1,000,000 rows in the catalog, a few minutes on an idle machine. The goals are
for `1000000 500000 1000000 2000000 5000000`. Makes a catalog of its own on the embedded server of the run folder, and
leaves it there. CPU seconds are of this process and of the server's for it, without the server's parallel workers; they
hardly hang on what else the machine does, as wall clock does.
"""

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from include import annotations, catalog, column_blocks, columns, labels, raters, readers, settings, vocabulary
from include.contract import COLUMNS, Accepted

MAKE = Path(__file__).with_name("make_annotations.sql")
FRESH_ROWS = 50_000
SMALL_FILE_ROWS = 100_000
INDEXES = ("annotation_clip", "annotation_annotator")


class Clock:
    """Wall clock, CPU of this process, and of the server for its connections, by what they were spent on."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self.backends: list[psutil.Process] = []
        self.of_ended_s = 0.0
        connect = catalog.connect

        @contextmanager
        def watched() -> Iterator[Any]:
            with connect() as connection:
                backend = psutil.Process(connection.info.backend_pid)
                self.backends.append(backend)
                try:
                    yield connection
                finally:
                    self.backends.remove(backend)
                    self.of_ended_s += cpu_s(backend)

        catalog.connect = watched

    def _server_s(self) -> float:
        return self.of_ended_s + sum(map(cpu_s, self.backends))

    def _now(self) -> list[float]:
        return [time.perf_counter(), time.process_time(), self._server_s()]

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Count what the block spends."""
        before = self._now()
        try:
            yield
        finally:
            spent = [now - then for now, then in zip(self._now(), before, strict=True)]
            self.spent[what] = [sum(both) for both in zip(self.spent.get(what, [0.0] * 3), spent, strict=True)]

    def wrap(self, module: Any, name: str) -> None:
        """Count each call of a function."""
        work: Callable[..., Any] = getattr(module, name)

        def timed(*args: Any, **named: Any) -> Any:
            with self.on(f"{module.__name__.rpartition('.')[2]}.{name}"):
                return work(*args, **named)

        setattr(module, name, timed)


def cpu_s(process: psutil.Process) -> float:
    """What a process has used."""
    used = process.cpu_times()
    return used.user + used.system


def alone(work: Callable[..., dict[str, Any]], *args: object) -> dict[str, Any]:
    """Run a function in a process of its own; what it gives, and its peak memory in MB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_memory, (work, *args))


def _with_memory(work: Callable[..., dict[str, Any]], *args: object) -> dict[str, Any]:
    settings.configure(catalog_url=catalog.embedded_url("bench_annotations"))
    found = work(*args)
    return {**found, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}


def make(connection: Any, into: str, first: int, n_rows: int, n_old_clips: int | None = None) -> None:
    """Make rows number `first` and on in a table."""
    from psycopg import sql

    statement = sql.SQL(MAKE.read_text(encoding="utf-8")).format(into=sql.Identifier(*into.split(".")))
    version = vocabulary.load()[0]
    numbers = {"first": first, "last": first + n_rows - 1, "n_old_clips": n_old_clips, "vocabulary_version": version}
    connection.execute(statement, numbers)


def write_file(path: Path, first: int, n_rows: int, n_old_clips: int | None = None) -> None:
    """Rows as JSONL, and beside it, as `.copy`, in the text format of COPY."""
    with catalog.connect() as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table made (like catalog.annotation including defaults) on commit drop")
        make(connection, "made", first, n_rows, n_old_clips)
        query = """copy (select json_strip_nulls(json_build_object(
            'clip_id', clip_id, 'annotator_id', annotator_id, 'submitted_at', submitted_at, 'arousal', arousal,
            'valence', valence, 'time_spent_s', time_spent_s, 'transcription', transcription, 'language', language,
            'audio_description', audio_description, 'age_group', age_group, 'gender', gender, 'accent', accent,
            'audio_quality', audio_quality, 'background_sounds', background_sounds, 'emotions', emotions,
            'source_ref', line::text)) from made) to stdout"""
        for suffix, statement in ((".jsonl", query), (".copy", "copy made to stdout")):
            with path.with_suffix(suffix).open("wb") as file, cursor.copy(statement) as rows:
                file.writelines(bytes(row) for row in rows)


def grow(n_before: int, n_rows: int) -> None:
    """Fill the catalog from `n_before` to `n_rows` rows; indexes are made once these are in."""
    with catalog.connect() as connection:
        connection.execute("set local session_replication_role = replica; set local maintenance_work_mem = '512MB'")
        indexes = connection.execute(
            "select indexname, indexdef from pg_indexes where schemaname = 'catalog' and indexname = any(%s)",
            [list(INDEXES)],
        ).fetchall()
        for index in indexes:
            connection.execute(f"drop index catalog.{index['indexname']}")
        make(connection, "catalog.annotation", n_before, n_rows - n_before)
        for index in indexes:
            connection.execute(index["indexdef"])
        connection.execute(
            "insert into catalog.annotator (annotator_id)"
            " select distinct annotator_id from catalog.annotation on conflict do nothing"
        )
        connection.execute(
            "insert into catalog.clip (clip_id, source_id, start_ms, end_ms)"
            " select 'youtube-abcdefghijk-' || n || '-' || n + 9000, 'youtube:abcdefghijk', n, n + 9000"
            " from generate_series(%s::bigint, %s::bigint) as n on conflict do nothing",
            [n_before // 5, n_rows // 5 - 1],
        )


def settle() -> None:
    """Have the server do what it would otherwise begin beside what is measured next: a night finds it at rest."""
    with catalog.connect() as connection:
        connection.autocommit = True
        connection.execute("vacuum (analyze)")
        connection.execute("checkpoint")


def empty() -> None:
    """A catalog without rows, but for the one source that all clips are of."""
    with catalog.connect() as connection:
        connection.execute("drop schema if exists catalog cascade")
    catalog.migrate()
    with catalog.connect() as connection:
        vocabulary.save(connection)
        connection.execute(
            "insert into catalog.source (source_id, url, speaker_group)"
            " values ('youtube:abcdefghijk', 'https://www.youtube.com/watch?v=abcdefghijk', 'one')"
        )


def merge(path: Path) -> dict[str, Any]:
    """Merge a file; its counts, and what each part spent."""
    clock = Clock()
    clock.wrap(raters, "renew")
    clock.wrap(labels, "renew")
    with path.open("rb") as stream, clock.on("whole"):
        counts = annotations.merge_stream(stream, path.name)
    parts = {name: clock.spent.pop(name) for name in ("raters.renew", "labels.renew")}
    whole = clock.spent["whole"]
    intake = [a - b - c for a, b, c in zip(whole, *parts.values(), strict=True)]
    renewal = [b + c for b, c in zip(*parts.values(), strict=True)]
    return {"counts": counts, "intake": intake, "renewal": renewal, "whole": whole}


def read(path: Path) -> dict[str, Any]:
    """Contract and records of a file, without a catalog."""
    began = time.process_time()
    with path.open("rb") as stream:
        for found in readers.read(stream, path.name):
            if isinstance(found, Accepted):
                found.record(path.name)
    return {"cpu_s": time.process_time() - began}


def copy(path: Path) -> dict[str, Any]:
    """COPY of ready rows of a file that is merged: as text into the real table and into a bare one, and as records.

    The real table is emptied first, and has its indexes, its checks and its key to the annotators, who are there.
    """
    clock = Clock()
    with catalog.connect() as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table bare (like catalog.annotation including defaults) on commit drop")
        cursor.execute("truncate catalog.annotation")
        for what, table in (("text, bare", "bare"), ("text", "catalog.annotation")):
            with (
                clock.on(what),
                path.with_suffix(".copy").open("rb") as file,
                cursor.copy(f"copy {table} from stdin") as into,
            ):
                while block := file.read(1 << 20):
                    into.write(block)
        with path.open("rb") as stream:
            records = [
                found.record("bench") for found in readers.read(stream, path.name) if isinstance(found, Accepted)
            ]
        cursor.execute("truncate bare")
        with clock.on("records, bare"):
            catalog.copy_in(connection, "bare", COLUMNS, records)
        connection.rollback()
    return clock.spent


def relabel() -> dict[str, Any]:
    """Everything again: weights and labels."""
    clock = Clock()
    for module, name in ((column_blocks, "_read_blocks"), (raters, "renew_all"), (labels, "_renew_from")):
        clock.wrap(module, name)
    with clock.on("whole"):
        n_labels = labels.renew_all()
    return {"n_labels": n_labels, **clock.spent}


def plain_aggregate() -> dict[str, Any]:
    """DuckDB's votes and means of the same annotations, what a label holds without weights, from a table of its own."""
    import duckdb
    import pyarrow as pa

    with catalog.connect() as connection:
        said = column_blocks.read_all(connection, columns.join)
    families = vocabulary.load()[1]
    emotions = said.said["emotions"]
    words = [*emotions.lists, []]
    lists = pa.table({
        "code": [*range(len(emotions.texts)), -1],
        "words": pa.array(words, pa.list_(pa.string())),
        "families": pa.array([sorted({families[word] for word in chosen}) for chosen in words], pa.list_(pa.string())),
    })  # fmt: skip
    votes = pa.table(
        {
            "clip_id": said.clip_ids.take(said.clip),
            "code": emotions.codes,
            "arousal": said.arousal,
            "valence": said.valence,
        }
    )
    with duckdb.connect() as duck:
        duck.register("arrow_votes", votes)
        duck.register("arrow_lists", lists)
        duck.execute(
            "create table votes as select clip_id, words, families, if(isnan(arousal), null, arousal) as arousal,"
            " if(isnan(valence), null, valence) as valence from arrow_votes join arrow_lists using (code)"
        )
        began, cpu = time.perf_counter(), time.process_time()
        duck.execute(
            "create table word_votes as select clip_id, word, count(*) as n"
            " from (select clip_id, unnest(words) as word from votes) group by all"
        )
        duck.execute(
            "create table family_votes as select clip_id, family, count(*) as n"
            " from (select clip_id, unnest(families) as family from votes) group by all"
        )
        duck.execute(
            "create table means as select clip_id, count(arousal) as n, avg(arousal) as a, stddev_pop(arousal) as sa,"
            " count(valence) as nv, avg(valence) as v, stddev_pop(valence) as sv from votes group by clip_id"
        )
        return {"spent": [time.perf_counter() - began, time.process_time() - cpu, 0.0]}


def line(what: str, spent: list[float], figure: str = "", goal: str = "") -> None:
    """One row of the table; `spent` is wall clock, CPU here, CPU of the server, in seconds."""
    print(f"{what:56}{spent[0]:8.1f}{spent[1]:8.1f}{spent[2]:8.1f}  {figure:34}{goal}", flush=True)


def bench_file(folder: Path, n_rows: int) -> None:
    """A file into an empty catalog."""
    peaks = []
    for n in (min(n_rows, SMALL_FILE_ROWS), n_rows):
        empty()
        write_file(folder / "file.jsonl", 0, n)
        merged = alone(merge, folder / "file.jsonl")
        peaks.append(merged["peak_mb"])
    path = folder / "file.jsonl"
    contract, bare = alone(read, path), alone(copy, path)
    intake = merged["intake"]
    line("contract alone", [0, contract["cpu_s"], 0], f"{n_rows / contract['cpu_s']:,.0f} rows/s of CPU")
    line("COPY of ready text into the same table", bare["text"])
    line("COPY of ready text into a bare table", bare["text, bare"])
    line("COPY of ready records into a bare table", bare["records, bare"])
    own, all_of_it = n_rows / intake[1], n_rows / sum(intake[1:])
    line("file into the catalog", intake, f"{own:,.0f} rows/s of CPU here", ">= 25,000")
    line("  the server's CPU with it", intake, f"{all_of_it:,.0f} rows/s")
    for name, where, goal in (
        ("text", "the same", "<= 6 x"),
        ("text, bare", "a bare", ""),
        ("records, bare", "a bare", ""),
    ):
        ratio = sum(intake[1:]) / sum(bare[name][1:])
        line(f"  against COPY of {name.split(',')[0]} into {where} table, all CPU", intake, f"{ratio:.1f} x", goal)
    line("weights and labels after it", merged["renewal"])
    line(
        f"peak memory, {SMALL_FILE_ROWS:,} and {n_rows:,} rows",
        [0, 0, 0],
        f"{peaks[0]:.0f} and {peaks[1]:.0f} MB",
        "flat",
    )


def bench_catalog(folder: Path, sizes: list[int]) -> None:
    """Everything again and fresh rows on top, while a catalog grows; at its end fresh rows of old clips, and all again.

    These leave many transcriptions at a tie, which are voted on word by word; everything again has them only then.
    """
    empty()
    n_rows = 0
    for size in sizes:
        grow(n_rows, size)
        settle()
        n_rows = size + FRESH_ROWS
        before = alone(relabel)
        settle()
        line(f"everything again, {size:,}", before["whole"])
        write_file(folder / "night.jsonl", size, FRESH_ROWS)
        fresh = alone(merge, folder / "night.jsonl")
        line(f"{FRESH_ROWS:,} fresh on {size:,}: weights, labels", fresh["renewal"])
        line("  the whole merge", fresh["whole"])
    settle()
    full = alone(relabel)
    settle()
    write_file(folder / "night.jsonl", n_rows, FRESH_ROWS, n_old_clips=sizes[-1] // 5)
    scattered = alone(merge, folder / "night.jsonl")
    with_them = alone(relabel)
    plain = alone(plain_aggregate)["spent"]
    line("DuckDB's votes per word and family, and means", plain)
    wall, cpu = full["whole"][0] / plain[0], sum(full["whole"][1:]) / plain[1]
    line(
        f"everything again, {full['n_labels']:,} clips",
        full["whole"],
        f"{wall:.1f} x DuckDB, CPU {cpu:.1f} x",
        "<= 8 x",
    )
    line("  of it: fetching", full["column_blocks._read_blocks"])
    line("  of it: labels", full["labels._renew_from"])
    line("  of it: weights", full["raters.renew_all"], f"peak {full['peak_mb'] / 1000:.1f} GB", "<= 6 GB")
    line("everything again, after those of old clips", with_them["whole"])
    for what, night, again in (("fresh clips", fresh, full), ("as many old clips", scattered, with_them)):
        for part in ("renewal", "whole"):
            wall, cpu = again["whole"][0] / night[part][0], sum(again["whole"][1:]) / sum(night[part][1:])
            line(
                f"{FRESH_ROWS:,} of {what}, {part}", night[part], f"1/{wall:.1f}, CPU 1/{cpu:.1f} of it all", "<= 1/15"
            )


def main() -> None:
    """Print the table."""
    if sys.dont_write_bytecode:
        # Each process would compile all it imports: a second that an installed program does not spend.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.bench_annotations", *sys.argv[1:]])
    given = [int(number) for number in sys.argv[1:]]
    settings.configure(catalog_url=catalog.embedded_url("bench_annotations"))
    print(f"{'':56}{'wall s':>8}{'CPU s':>8}{'server':>8}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        bench_file(Path(folder), given[0] if given else 500_000)
        bench_catalog(Path(folder), given[1:] or [500_000, 1_000_000])


if __name__ == "__main__":
    main()
