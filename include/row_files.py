"""Small files that people hand in beside annotations: JSONL, or CSV with a header, each row checked by a model."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from include import csv_records
from include.contract import Rejected

MAX_ROW_BYTES = 100_000

Model = TypeVar("Model", bound=BaseModel)


class Given(Generic[Model]):
    """The rows of a file: those that the model takes, in their order, and why others are refused."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Model]] = []
        self.reasons: list[str] = []

    def refuse(self, line: int, reason: str) -> None:
        """Note why the row that begins on a line is not taken."""
        self.reasons.append(f"line {line}: {reason}")


def read(path: Path, model: type[Model]) -> Given[Model]:
    """All rows of a `.jsonl` or `.csv` file; a blank cell of CSV is left out, lists stand there as JSON text.

    Raises ValueError if the name does not say which it is.
    """
    given: Given[Model] = Given()
    with path.open("rb") as stream:
        if path.suffix.lower() == ".csv":
            found = _csv(stream, model)
        elif path.suffix.lower() in (".jsonl", ".ndjson"):
            found = _jsonl(stream)
        else:
            raise ValueError(f"{path.name}: a .jsonl or a .csv file is wanted")
        for row in found:
            if isinstance(row, Rejected):
                given.refuse(row.line, row.reason)
                continue
            line, said = row
            try:
                given.rows.append((line, model.model_validate(said)))
            except ValidationError as error:
                given.refuse(line, "; ".join(map(_complaint, error.errors(include_url=False))))
    return given


def _csv(stream: Any, model: type[BaseModel]) -> Iterator[tuple[int, Any] | Rejected]:
    records = csv_records.read(stream, MAX_ROW_BYTES)
    first = next(records, None)
    if first is None or isinstance(first, Rejected):
        yield first or Rejected(1, "", "an empty file")
        return
    names = [name.strip() for name in first[1]]
    unknown = [name for name in names if name not in model.model_fields]
    if unknown or len(set(names)) < len(names):
        yield Rejected(1, "", f"the first line is not made of the names {', '.join(model.model_fields)}, each once")
        return
    for row in csv_records.as_dicts(records, names):
        yield row if isinstance(row, Rejected) else (row[0], {k: _cell(v) for k, v in row[1].items() if v.strip()})


def _cell(text: str) -> Any:
    if not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _jsonl(stream: Any) -> Iterator[tuple[int, Any] | Rejected]:
    line = 0
    while raw := stream.readline(MAX_ROW_BYTES + 1):
        line += 1
        if len(raw) > MAX_ROW_BYTES:
            yield Rejected(line, "", f"a line of over {MAX_ROW_BYTES} bytes; nothing is read after it")
            return
        if not raw.strip(b" \t\r\n\xef\xbb\xbf"):
            continue
        try:
            yield line, json.loads(raw.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            yield Rejected(line, "", f"no JSON: {error}")


def _complaint(fault: Any) -> str:
    where = ".".join(map(str, fault["loc"]))
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
