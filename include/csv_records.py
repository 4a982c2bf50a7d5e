"""CSV as it comes: line breaks inside quotes, a byte order mark, NUL bytes, quotes that never close.

The csv module alone would take all that follows an open quote into one field, and the file into memory.
"""

import csv
import io
from collections.abc import Iterator
from typing import IO, Any, cast

from include.contract import CUT_SHORT, Rejected

DELIMITERS = ",;\t"
Record = tuple[int, list[str]]


def read(stream: IO[bytes], max_bytes: int) -> Iterator[Record | Rejected]:
    """Each record with the number of its first line; blank lines are passed over.

    The delimiter is the one that the first line has most of: comma, semicolon or tab. A record of over `max_bytes`
    whose quote never closes costs its first line only: reading goes on at the next one.
    """
    lines = _Lines(stream, max_bytes)
    delimiter = ""
    while (taken := _take_record(lines)) is not None:
        line, raw, fault = taken
        if line == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if fault:
            yield Rejected(line, raw[:200].decode(errors="replace"), fault)
            continue
        if not raw.strip():
            continue
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            reason = f"not UTF-8: {error.reason} at byte {error.start}"
            yield Rejected(line, raw.decode(errors="replace").strip(), reason)
            continue
        delimiter = delimiter or max(DELIMITERS, key=text.count)
        try:
            # The whole record is one item, or a break within quotes would lose its carriage return.
            yield line, next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
        except csv.Error as error:
            yield Rejected(line, text.strip(), f"no CSV: {error}")


def as_dicts(records: Iterator[Record | Rejected], names: list[str]) -> Iterator[tuple[int, dict[str, Any]] | Rejected]:
    """Records as {column: text}. One with more or fewer fields than there are columns is rejected."""
    for record in records:
        if isinstance(record, Rejected):
            yield record
            continue
        line, fields = record
        if len(fields) == len(names):
            yield line, dict(zip(names, fields, strict=True))
        else:
            yield Rejected(line, ",".join(fields), f"{len(fields)} fields where there are {len(names)} columns")


class _Lines:
    """Lines of a stream that can be put back."""

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        self.stream = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(Any, stream))
        self.max_bytes = max_bytes
        self.put_back: list[bytes] = []
        self.number = 0

    def take(self) -> bytes:
        raw = self.put_back.pop() if self.put_back else self.stream.readline(self.max_bytes + 1)
        self.number += bool(raw)
        return raw

    def give_back(self, lines: list[bytes]) -> None:
        self.put_back += reversed(lines)
        self.number -= len(lines)

    def skip_line(self, raw: bytes) -> None:
        """Read to the end of the line that `raw` begins."""
        while raw and not raw.endswith(b"\n"):
            raw = self.stream.readline(self.max_bytes)


def _take_record(lines: _Lines) -> tuple[int, bytes, str] | None:
    """The next record: number of its first line, its bytes, and what is wrong with it, if anything."""
    first = lines.take()
    if not first:
        return None
    line = lines.number
    if len(first) > lines.max_bytes and not first.endswith(b"\n"):
        lines.skip_line(first)
        return line, first, f"a line of over {lines.max_bytes} bytes"
    taken, size, n_quotes = [first], len(first), first.count(b'"')
    while n_quotes % 2:
        more = lines.take()
        size += len(more)
        if not more or size > lines.max_bytes:
            lines.give_back([*taken[1:], *([more] if more else [])])
            return line, first, "a quote that is not closed" + ("" if more else f": {CUT_SHORT}")
        taken.append(more)
        n_quotes += more.count(b'"')
    return line, b"".join(taken), ""
