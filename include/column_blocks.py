"""Annotations kept a second time, by column, for whoever reads all of them.

A merge keeps what it took in as a block, in its own transaction: to fetch a million rows one by one costs Postgres ten
times as much as to hand out their columns. The rows are what counts. Blocks that don't hold just these are made anew
from them: whoever changes or deletes a row takes all blocks away (a trigger), and only who adds rows past a merge
leaves some without. docs/decisions/ has the figures.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from include import catalog, columns

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection, sql

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Made = TypeVar("Made")

PAGES_A_BLOCK = 4_096  # of a table, 8 kB each: about 80,000 annotations
# More blocks than this, beside one for each so many rows, and they are made anew: each costs a millisecond or two.
MAX_SMALL_BLOCKS, ROWS_A_BLOCK = 500, 20_000

# Or who waits for the connection that takes the merge lock would be waited for, for ever.
PATIENCE = "set local lock_timeout = '1min'"


def keep(connection: "Connection[catalog.Row]", table: str) -> None:
    """Keep the annotations of a table, which catalog.annotation has taken in and no block holds, as blocks."""
    for part in columns.read_parts(connection, _stretches(connection, table)):
        _insert(connection, part)


def read_all(connection: "Connection[catalog.Row]", use: Callable[[list[dict[str, Any]]], Made]) -> Made:
    """What `use` makes of every annotation that is in the catalog for good, in parts for columns.join().

    What this transaction adds is not among them. While the blocks are read and used, the rows are counted, and if the
    blocks don't hold all, `use` is called again with all: it must not mind. Then the rows are read, and kept in new
    blocks by this transaction, which needs the lock that merges wait for; so it is where blocks are many and small.
    """
    snapshot = _snapshot(connection)
    with ThreadPoolExecutor(1) as pool:
        # First of all: while Arrow is imported and the first blocks are awaited, a core is idle.
        n_rows = pool.submit(_count_rows, snapshot)
        columns.keep_freed_memory()
        with _readers(snapshot) as readers:
            parts = _read_blocks(readers)
        if not parts:
            return use(_renew(connection))
        n_kept = sum(len(part["hash"]) for part in parts)
        made = use(parts)
        return made if n_rows.result() == n_kept else use(_renew(connection))


def _count_rows(snapshot: str) -> int:
    with _reader(snapshot) as reader:
        reader.execute("set local max_parallel_workers_per_gather = 0")  # there is work beside it
        found = reader.execute("select count(*) as n_rows from catalog.annotation").fetchone()
    assert found is not None  # an aggregate has one row
    return int(found["n_rows"])


def _renew(connection: "Connection[catalog.Row]") -> list[dict[str, Any]]:
    """Every annotation from the rows, kept in new blocks."""
    log.info("annotations are read by the row: not all are kept by column, or in small blocks")
    with _readers(_snapshot(connection)) as readers:
        parts = _read_rows(readers)
    connection.execute("delete from catalog.annotation_block")
    for part in parts:
        _insert(connection, part)
    return parts


def _snapshot(connection: "Connection[catalog.Row]") -> str:
    """What a connection sees, for others to see the same until its transaction ends."""
    shared = connection.execute("select pg_export_snapshot() as snapshot").fetchone()
    assert shared is not None  # a function of one row
    return str(shared["snapshot"])


@contextmanager
def _readers(snapshot: str) -> "Iterator[list[Connection[catalog.Row]]]":
    """Connections that see what another one saw."""
    with ExitStack() as stack:
        yield [stack.enter_context(_reader(snapshot)) for _ in range(columns.READERS)]


@contextmanager
def _reader(snapshot: str) -> "Iterator[Connection[catalog.Row]]":
    """A connection that sees what another one saw."""
    from psycopg import sql

    with catalog.connect() as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute(sql.SQL("set transaction snapshot {}").format(snapshot))
        connection.execute(PATIENCE)
        yield connection


def _read_blocks(readers: "list[Connection[catalog.Row]]") -> list[dict[str, Any]] | None:
    """All blocks' parts, or None if they are of other columns than today's, or many and small."""
    blocks = readers[0].execute("select block_id, n_rows from catalog.annotation_block order by block_id").fetchall()
    n_kept = sum(block["n_rows"] for block in blocks)
    if len(blocks) > MAX_SMALL_BLOCKS + n_kept / ROWS_A_BLOCK:
        return None

    def read_one(reader: "Connection[catalog.Row]", block: catalog.Row) -> dict[str, Any]:
        with reader.cursor(binary=True) as cursor:
            content = "select content from catalog.annotation_block where block_id = %(block_id)s"
            found = cursor.execute(content, block).fetchone()
            return _unpack(found["content"]) if found is not None else {}

    parts = _each(readers, read_one, blocks)
    return parts if all(part.keys() == columns.PART for part in parts) else None


def _read_rows(readers: "list[Connection[catalog.Row]]") -> list[dict[str, Any]]:
    """All of the table in parts."""
    # While the server is at one's part, the other's is taken apart.
    return _each(
        readers,
        lambda reader, stretch: next(columns.read_parts(reader, [stretch])),
        _stretches(readers[0], "catalog.annotation"),
    )


def _each(
    readers: "list[Connection[catalog.Row]]",
    read: "Callable[[Connection[catalog.Row], Item], dict[str, Any]]",
    items: Sequence[Item],
) -> list[dict[str, Any]]:
    """What each item reads, by whichever connection is free."""
    free: SimpleQueue[Connection[catalog.Row]] = SimpleQueue()
    for reader in readers:
        free.put(reader)

    def read_by_free(item: Item) -> dict[str, Any]:
        reader = free.get()
        try:
            return read(reader, item)
        finally:
            free.put(reader)

    with ThreadPoolExecutor(len(readers)) as pool:
        return list(pool.map(read_by_free, items))


def _stretches(connection: "Connection[catalog.Row]", table: str) -> "list[sql.Composed]":
    """Parts of a table by where they lie on disk: each is read once, whatever the order of the clips in it."""
    from psycopg import sql

    found = connection.execute("select pg_relation_size(%s) / 8192 as n_pages", [table]).fetchone()
    assert found is not None  # a function of one row
    part = sql.SQL("{} as annotation where ctid >= {}::tid and ctid < {}::tid")
    name = sql.Identifier(*table.split("."))
    return [
        part.format(name, f"({first},0)", f"({first + PAGES_A_BLOCK},0)")
        for first in range(0, max(1, found["n_pages"]), PAGES_A_BLOCK)
    ]


def _insert(connection: "Connection[catalog.Row]", part: dict[str, Any]) -> None:
    n_rows = len(part["hash"])
    if n_rows:
        catalog.run(connection, "insert_annotation_block", n_rows=n_rows, content=_pack(part))


def _pack(part: dict[str, Any]) -> bytes:
    """A part as a stream of Arrow's, coded texts as dictionaries."""
    import numpy as np
    import pyarrow as pa

    def packed(column: Any) -> "pa.Array":
        if not isinstance(column, columns.Coded):
            return pa.array(column)
        codes = column.codes.astype(np.min_scalar_type(-len(column.texts)))
        return pa.DictionaryArray.from_arrays(pa.array(codes), column.texts)

    batch = pa.record_batch({name: packed(column) for name, column in part.items()})
    content = pa.BufferOutputStream()
    with pa.ipc.new_stream(content, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_batch(batch)
    written: bytes = content.getvalue().to_pybytes()
    return written


def _unpack(content: bytes) -> dict[str, Any]:
    import pyarrow as pa

    batch = pa.ipc.open_stream(content).read_next_batch()
    return {
        name: columns.Coded(column.indices.to_numpy(), column.dictionary)
        if pa.types.is_dictionary(column.type)
        else column.to_numpy(zero_copy_only=False)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
