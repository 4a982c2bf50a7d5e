"""Arrow columns as rows of COPY's binary format: the server takes them in without parsing numbers and lists.

Layout of the format: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT; what stands in a
field is what the type's receive function reads, for arrays `array_recv` in src/backend/utils/adt/arrayfuncs.c.
"""

from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    # Values of numpy's types that stand side by side, each one for all rows or one for each.
    Fixed = list[tuple[str, Any]]

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"  # a length of -1
_OID_OF_TEXT = 25


def rows(table: "pa.Table") -> memoryview:
    """Rows of a table, to stand between HEADER and TRAILER.

    Its columns are texts, numbers (integers go out as `integer`, of 4 bytes), truth values and lists of texts, or
    dictionaries of these. Raises TypeError on another type, ValueError on an integer that is too large.
    """
    import numpy as np

    pieces: list[Fixed | pa.BinaryArray] = [[(">i2", table.num_columns)]]
    for column in table.columns:
        pieces += _field(column.combine_chunks())
    _, offsets, content = _side_by_side(pieces, table.num_rows).buffers()
    return memoryview(content)[: np.frombuffer(offsets, np.int32)[table.num_rows]]


def _side_by_side(pieces: "list[Fixed | pa.BinaryArray]", n_rows: int) -> "pa.BinaryArray":
    """Each row's pieces in one; neighbours of fixed width are put together first, which is several times faster."""
    import pyarrow.compute as pc

    joined: list[pa.BinaryArray] = []
    for is_fixed, neighbours in groupby(pieces, lambda piece: isinstance(piece, list)):
        found = list(neighbours)
        joined += [_packed([part for piece in found for part in piece], n_rows)] if is_fixed else found
    return pc.binary_join_element_wise(*joined, b"", null_handling="replace", null_replacement=_NULL)


def _field(column: "pa.Array") -> "list[Fixed | pa.BinaryArray]":
    """Pieces that, one behind the other, are the column's fields; the first is null where the field is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        return [_side_by_side(_field(column.dictionary), len(column.dictionary)).take(column.indices)]
    if pa.types.is_list(kind):
        items = _side_by_side(_field(column.values), len(column.values))
        content = pc.binary_join(pa.ListArray.from_arrays(column.offsets, items, mask=column.is_null()), b"")
        # One dimension, no null in it, of texts, so many, counted from 1.
        begin = [(">i4", value) for value in (1, 0, _OID_OF_TEXT, column.value_lengths().fill_null(0), 1)]
        n_bytes = pc.binary_length(content).fill_null(0).to_numpy() + 4 * len(begin)
        return [_unless_null([(">i4", n_bytes), *begin], column), content.fill_null(b"")]
    if pa.types.is_string(kind):
        content = column.cast(pa.binary())
        # A length of -1 is null: all rows have one.
        return [[(">i4", pc.binary_length(content).fill_null(-1).to_numpy())], content.fill_null(b"")]
    if pa.types.is_integer(kind):
        return [_number(column.cast(pa.int32()), ">i4")]
    if pa.types.is_float64(kind):
        return [_number(column, ">f8")]
    if pa.types.is_boolean(kind):
        return [_number(column, "?")]
    raise TypeError(f"{kind} is not written")


def _number(column: "pa.Array", kind: str) -> "Fixed | pa.BinaryArray":
    import numpy as np

    known = column.fill_null(False if kind == "?" else 0) if column.null_count else column
    values = known.to_numpy(zero_copy_only=False)
    return _unless_null([(">i4", np.dtype(kind).itemsize), (kind, values)], column)


def _unless_null(parts: "Fixed", column: "pa.Array") -> "Fixed | pa.BinaryArray":
    """The parts, null where the column is."""
    return _packed(parts, len(column), column) if column.null_count else parts


def _packed(parts: "Fixed", n_rows: int, like: "pa.Array | None" = None) -> "pa.BinaryArray":
    """Parts as one value for each row; null where `like` is."""
    import numpy as np
    import pyarrow as pa

    packed = np.empty(n_rows, [(str(n), kind) for n, (kind, _) in enumerate(parts)])
    for n, (_, values) in enumerate(parts):
        packed[str(n)] = values
    offsets = np.arange(n_rows + 1, dtype=np.int32) * np.int32(packed.itemsize)
    is_valid = None
    if like is not None:
        is_valid = pa.py_buffer(np.packbits(like.is_valid().to_numpy(zero_copy_only=False), bitorder="little"))
    return pa.Array.from_buffers(pa.binary(), n_rows, [is_valid, pa.py_buffer(offsets), pa.py_buffer(packed)])
