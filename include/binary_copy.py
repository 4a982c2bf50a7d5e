"""Arrow columns as rows of COPY's binary format: the server takes them in without parsing numbers and lists.

Layout of the format: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT; what stands in a
field is what the type's receive function reads, for arrays `array_recv` in src/backend/utils/adt/arrayfuncs.c.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"  # a length of -1
_OID_OF_TEXT = 25


def rows(table: "pa.Table", json_columns: Collection[str]) -> bytes:
    """Rows of a table, to stand between HEADER and TRAILER.

    Its columns are texts, numbers (integers go out as `integer`, of 4 bytes), truth values and lists of texts;
    those named in `json_columns` are JSON texts for `jsonb`. Raises TypeError on another type, ValueError on an
    integer that is too large.
    """
    import numpy as np

    pieces = [_fixed([(">i2", table.num_columns)], table.num_rows)]
    for name in table.column_names:
        pieces += _field(table[name].combine_chunks(), is_json=name in json_columns)
    _, offsets, content = _side_by_side(pieces).buffers()
    found: bytes = content.slice(0, np.frombuffer(offsets, np.int32)[table.num_rows]).to_pybytes()
    return found


def _side_by_side(pieces: "list[pa.BinaryArray]") -> "pa.BinaryArray":
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(*pieces, b"", null_handling="replace", null_replacement=_NULL)


def _field(column: "pa.Array", *, is_json: bool = False) -> "list[pa.BinaryArray]":
    """Pieces that, one behind the other, are the column's fields; the first is null where the field is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_list(kind):
        items = _side_by_side(_field(column.values))
        content = pc.binary_join(pa.ListArray.from_arrays(column.offsets, items, mask=column.is_null()), b"")
        n_items = column.value_lengths().fill_null(0)
        # One dimension, no null in it, of texts, so many, counted from 1.
        return _sized([(">i4", value) for value in (1, 0, _OID_OF_TEXT, n_items, 1)], content)
    if pa.types.is_string(kind):
        return _sized([("u1", 1)] if is_json else [], column.cast(pa.binary()))  # jsonb: version 1 of its format
    if pa.types.is_integer(kind):
        return _numbers(column.cast(pa.int32()), ">i4")
    if pa.types.is_float64(kind):
        return _numbers(column, ">f8")
    if pa.types.is_boolean(kind):
        return _numbers(column, "?")
    raise TypeError(f"{kind} is not written")


def _numbers(column: "pa.Array", kind: str) -> "list[pa.BinaryArray]":
    import numpy as np

    values = column.fill_null(False if kind == "?" else 0).to_numpy(zero_copy_only=False)
    return [_fixed([(">i4", np.dtype(kind).itemsize), (kind, values)], len(column), column)]


def _sized(begin: "list[tuple[str, object]]", content: "pa.BinaryArray") -> "list[pa.BinaryArray]":
    """Fields of a fixed beginning and a content of any length: their length and beginning, and the content."""
    import numpy as np
    import pyarrow.compute as pc

    n_bytes = pc.binary_length(content).fill_null(0).to_numpy() + sum(np.dtype(kind).itemsize for kind, _ in begin)
    return [_fixed([(">i4", n_bytes), *begin], len(content), content), content.fill_null(b"")]


def _fixed(parts: "list[tuple[str, object]]", n_rows: int, like: "pa.Array | None" = None) -> "pa.BinaryArray":
    """Values of numpy's types, side by side, each one for all rows or one for each; null where `like` is."""
    import numpy as np
    import pyarrow as pa

    packed = np.empty(n_rows, [(str(n), kind) for n, (kind, _) in enumerate(parts)])
    for n, (_, values) in enumerate(parts):
        packed[str(n)] = values
    offsets = np.arange(n_rows + 1, dtype=np.int32) * np.int32(packed.itemsize)
    is_valid = None
    if like is not None and like.null_count:
        is_valid = pa.py_buffer(np.packbits(like.is_valid().to_numpy(zero_copy_only=False), bitorder="little"))
    return pa.Array.from_buffers(pa.binary(), n_rows, [is_valid, pa.py_buffer(offsets), pa.py_buffer(packed)])
