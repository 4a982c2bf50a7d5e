"""Files of annotations, in whatever form they come, as rows checked against the contract.

Each reader takes a stream of bytes and yields a row at a time: memory does not grow with the file. What can't be
read is a rejected row with its place and reason; nothing here raises because of what a file holds.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO, Any, Literal, cast, get_args

from include import contract, csv_records, label_studio, open_empathic
from include.contract import CUT_SHORT, LIST_FIELDS, Accepted, Rejected

Form = Literal["jsonl", "csv", "parquet", "label-studio", "open-empathic"]
FORMS: tuple[str, ...] = get_args(Form)
SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".json")

MAX_LINE_BYTES = 1_000_000
BATCH_ROWS = 1_000


def is_readable(name: str) -> bool:
    """Whether a file's name says that it holds annotations."""
    return PurePosixPath(name.removesuffix(".gz")).suffix.lower() in SUFFIXES


def ends_within_a_row(stream: IO[bytes], name: str) -> bool:
    """Whether a CSV stream, read from its start afterwards, ends without a line break: what is left of a row that is
    being written may look like a whole one. The other forms tell by themselves where they end.
    """
    if PurePosixPath(name).suffix.lower() not in (".csv", ".tsv") or not stream.seek(0, io.SEEK_END):
        return False
    stream.seek(-1, io.SEEK_END)
    last = stream.read(1)
    stream.seek(0)
    return last not in (b"\n", b"\r")


def read(
    stream: IO[bytes], name: str, form: str = "auto", valence_scale: str | None = None
) -> Iterator[Accepted | Rejected]:
    """Each row of a file, checked against the contract; blank lines are passed over.

    `form` is one of FORMS, or `auto`: what the name's suffix says, and for CSV and Parquet the columns. gzip is
    recognised by its first bytes. `valence_scale` is that of an Open Empathic export: `form` (−5…+5) or `model`
    (0…10). Raises ValueError if the name does not say what form the file has.
    """
    buffered = io.BufferedReader(cast(io.RawIOBase, stream))
    if buffered.peek(2)[:2] == b"\x1f\x8b":
        plain: IO[bytes] = cast(IO[bytes], gzip.GzipFile(fileobj=buffered))
        name = name.removesuffix(".gz")
    else:
        plain = cast(IO[bytes], buffered)
    reader = _reader(plain, _suffix_form(name) if form == "auto" else form, valence_scale, is_to_guess=form == "auto")
    line = 0
    try:
        for row in reader:
            line = row.line
            yield row
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield Rejected(line + 1, "", f"{CUT_SHORT}: {error}" if isinstance(error, EOFError) else f"bad gzip: {error}")


def _suffix_form(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    known = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
    if suffix == ".json":
        return "label-studio"
    if suffix not in known:
        raise ValueError(f"{name}: its name does not say what form it has; say it: {', '.join(FORMS)}")
    return known[suffix]


def _reader(
    stream: IO[bytes], form: str, valence_scale: str | None, *, is_to_guess: bool
) -> Iterator[Accepted | Rejected]:
    if form == "jsonl":
        return read_jsonl(stream)
    if form == "label-studio":
        return _checked(label_studio.read(stream), label_studio.as_annotation)
    if form == "parquet" or (form == "open-empathic" and _is_parquet(stream)):
        return _read_parquet(stream, valence_scale, is_export=None if is_to_guess else form == "open-empathic")
    return _read_csv(stream, valence_scale, is_export=None if is_to_guess else form == "open-empathic")


def _is_parquet(stream: IO[bytes]) -> bool:
    return isinstance(stream, io.BufferedReader) and stream.peek(4)[:4] == b"PAR1"


def read_jsonl(stream: IO[bytes]) -> Iterator[Accepted | Rejected]:
    """Each line of a JSONL stream, checked. A last line that is no row and has no end was cut short."""
    line = 0
    # Files on S3 read no line of limited length; the buffer does, for any stream.
    lines = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))
    while raw := lines.readline(MAX_LINE_BYTES + 1):
        line += 1
        if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            head = raw[:200].decode(errors="replace")
            while raw and not raw.endswith(b"\n"):
                raw = lines.readline(MAX_LINE_BYTES)
            yield Rejected(line, head, f"a line of over {MAX_LINE_BYTES} bytes")
        elif raw.strip(b" \t\r\n\xef\xbb\xbf"):
            row = contract.check_json(line, raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw)
            if isinstance(row, Rejected) and not raw.endswith(b"\n") and row.reason.startswith(("no JSON", "not UTF")):
                row.reason = f"{CUT_SHORT}; {row.reason}"
            yield row


def _checked(
    found: Iterator[tuple[int, Any] | Rejected], as_annotation: Callable[[Any], dict[str, Any]]
) -> Iterator[Accepted | Rejected]:
    """Rows of another form, turned into the contract's and checked."""
    for item in found:
        if isinstance(item, Rejected):
            yield item
            continue
        line, row = item
        raw = _Raw(row)
        try:
            said = as_annotation(row)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            yield Rejected(line, raw(), str(error) or type(error).__name__)
        else:
            yield contract.check(line, said, raw)


class _Raw:
    """A row as it stood, as text, made only if it is asked for."""

    def __init__(self, row: Any) -> None:
        self.row = row

    def __call__(self) -> str:
        return json.dumps(self.row, ensure_ascii=False, default=str)


def _read_csv(stream: IO[bytes], valence_scale: str | None, is_export: bool | None) -> Iterator[Accepted | Rejected]:
    records = csv_records.read(stream, MAX_LINE_BYTES)
    first = next(records, None)
    if first is None:
        return
    if isinstance(first, Rejected):
        yield first
        return
    if is_export is None:
        is_export = open_empathic.is_export(first[1])
    if is_export:
        has_header = open_empathic.is_header(first[1])
        names = [name.strip() for name in first[1]] if has_header else list(open_empathic.COLUMNS)
        rows = csv_records.as_dicts(records if has_header else _chain(first, records), names)
        yield from _checked(rows, lambda row: open_empathic.as_annotation(row, valence_scale))
        return
    names = [name.strip() for name in first[1]]
    unknown = [name for name in names if name not in contract.Annotation.model_fields]
    if unknown or len(set(names)) < len(names):
        what = f"unknown columns: {', '.join(map(repr, unknown[:5]))}" if unknown else "a column that stands twice"
        yield Rejected(1, ",".join(first[1]), f"the first line names no columns of an annotation: {what}")
        return
    yield from _checked(csv_records.as_dicts(records, names), _with_lists)


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _with_lists(row: dict[str, Any]) -> dict[str, Any]:
    """A row of CSV with its lists, which stand there as JSON text, as lists. Raises ValueError."""
    found = dict(row)
    for name in LIST_FIELDS:
        text = row.get(name)
        if isinstance(text, str) and text.strip():
            try:
                found[name] = json.loads(text)
            except (ValueError, RecursionError):
                raise ValueError(f"{name}: no list written as JSON: {text[:80]!r}") from None
    return found


def _read_parquet(
    stream: IO[bytes], valence_scale: str | None, is_export: bool | None
) -> Iterator[Accepted | Rejected]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.PythonFile(stream, mode="r"))
        names = file.schema_arrow.names
        if is_export is None:
            is_export = open_empathic.is_header(names)

        def as_annotation(row: dict[str, Any]) -> dict[str, Any]:
            return open_empathic.as_annotation(row, valence_scale) if is_export else _with_lists(row)

        line = 0
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            rows = batch.to_pylist()
            yield from _checked(((line + n, row) for n, row in enumerate(rows, 1)), as_annotation)
            line += len(rows)
    except (pa.ArrowException, OSError) as error:
        # A Parquet file's index stands at its end.
        reason = f"{CUT_SHORT}, or it is no Parquet: {str(error).splitlines()[0]}"
        yield Rejected(1, "", reason)
