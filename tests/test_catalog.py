import csv
import io
import re
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from include import catalog, settings
from tests.conftest import sql


@pytest.fixture
def unmigrated(postgres: str) -> str:
    """URL of a database with nothing in it, which the settings name."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.replace("/template?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"create database {name}")  # the name is made two lines above
    url = postgres.replace("/template?", f"/{name}?")
    settings.configure(catalog_url=url)
    return url


def test_migrations_are_applied_once(unmigrated: str) -> None:
    assert catalog.migrate() == [path.stem for path in sorted((catalog.SQL / "schema").glob("*.sql"))]
    assert catalog.migrate() == []
    assert sql("select count(*) as n from catalog.clip") == [{"n": 0}]


def test_two_processes_that_migrate_at_once_do_not_meet(unmigrated: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(catalog.migrate())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, applied)) == [0, 0, 0, len(list((catalog.SQL / "schema").glob("*.sql")))]


def test_a_migration_that_fails_leaves_nothing(
    unmigrated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "0001_good.sql").write_text("create table catalog.thing (n integer);")
    (tmp_path / "schema" / "0002_bad.sql").write_text("create tabel catalog.other (n integer);")
    monkeypatch.setattr(catalog, "SQL", tmp_path)
    with pytest.raises(psycopg.errors.SyntaxError):
        catalog.migrate()
    assert sql("select to_regnamespace('catalog') as kept") == [{"kept": None}]


def test_the_embedded_server_makes_the_database_once(postgres: str) -> None:
    # The session's run folder, whose server is up already.
    run = Path(postgres.partition("host=")[2]).parent
    settings.configure(run=run)
    name = f"test_{uuid4().hex}"
    url = catalog.embedded_url(name)
    settings.configure(run=run, catalog_url=url)
    sql("create table kept (n integer)")
    assert catalog.embedded_url(name) == url
    assert sql("select count(*) as n from kept") == [{"n": 0}]


def test_the_catalog_is_where_the_setting_says(pipeline: settings.Settings) -> None:
    assert catalog.url() == pipeline.catalog_url


def test_a_connection_is_one_transaction_in_utc(pipeline: settings.Settings) -> None:
    def write_and_crash() -> None:
        with catalog.connect() as connection:
            connection.execute("insert into catalog.setting values ('a', 'b')")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_and_crash()
    assert sql("select * from catalog.setting") == []
    assert sql("select current_setting('timezone') as zone") == [{"zone": "UTC"}]


def test_values_survive_copy_as_they_are(pipeline: settings.Settings) -> None:
    records: list[tuple[Any, ...]] = [("tab\tquote'back\\slash\nline", ["a,b", '"', "{}"]), ("\\N", []), (None, None)]
    with catalog.connect() as connection:
        connection.execute("create temporary table copied (said text, list text[]) on commit drop")
        assert catalog.copy_in(connection, "copied", ["said", "list"], records) == 3
        found = connection.execute("select * from copied").fetchall()
    assert [(row["said"], row["list"]) for row in found] == records


def test_every_statement_is_used_and_is_there() -> None:
    folder = Path(catalog.__file__).parent
    code = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    there = {path.stem for path in catalog.SQL.glob("*.sql")}
    named = {re.sub(r"{\w+}", r"\\w+", literal) for literal in re.findall(r'"([a-z][a-z_{}]+)"', code)}
    assert {name for name in there if not any(re.fullmatch(pattern, name) for pattern in named)} == set()
    called = set(re.findall(r'\b(?:rows?|run|statement)\(\s*(?:connection,\s*)?"(\w+)"', code))
    assert called - there == set()
    assert len(called) > 20


def test_rows_come_out_as_they_are(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    said = 'a "quoted" \\ and \\n, a\ttab,\na line, 100 %, \x7f and Ç'
    monkeypatch.setattr(catalog, "statement", lambda name: "select %(said)s::text as said, '' as empty, null as none")
    with catalog.connect() as connection:
        lines = list(catalog.copy_out(connection, "any", said=said))
    assert lines[0] == b"said,empty,none\n"
    assert list(csv.reader(io.StringIO(b"".join(lines[1:]).decode(), newline=""))) == [[said, "", ""]]
    assert lines[-1].endswith(b'","",\n')
