"""Annotations: the contract, the reader, and the merge of files into the catalog.

A row is never changed: what an annotator says later of the same clip supersedes what they said before. The same
row sent any number of times is one row, so a file may be merged again after a crash.
"""

import hashlib
import io
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from include import catalog, ids, labels, store, vocabulary

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

INBOX = "inbox/annotations"
BATCH_ROWS = 10_000
MAX_LINE_BYTES = 1_000_000
MAX_COMPLAINTS = 5

Item = TypeVar("Item")


def _known_word(word: str) -> str:
    version, families = vocabulary.load()
    if word not in families:
        raise ValueError(f"{word!r} is no word of vocabulary {version}")
    return word


def _no_control_characters(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text with a NUL character")
    return text


def _known_version(version: str) -> str:
    known = vocabulary.load()[0]
    if version != known:
        raise ValueError(f"{version!r} is not known; the vocabulary is {known}")
    return version


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


def _iso_8601(value: object) -> object:
    """Refuse what else Pydantic would take for a time: seconds since 1970, as a number or as text."""
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value.strip())):
        return value
    raise ValueError(f"no ISO 8601 time with a zone: {str(value)[:80]!r}")


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"no time that a calendar has in UTC: {time}") from None


def _once(items: list[Item]) -> list[Item]:
    """Each item once, in the order given."""
    return list(dict.fromkeys(items))


Text = Annotated[str, Field(max_length=10_000), AfterValidator(_no_control_characters)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_no_control_characters)]
Word = Annotated[str, AfterValidator(_known_word)]
Time = Annotated[AwareDatetime, BeforeValidator(_iso_8601), AfterValidator(_in_utc)]
Scale = Annotated[int, BeforeValidator(_no_boolean)]
Duration = Annotated[float, BeforeValidator(_no_boolean), Field(ge=0, allow_inf_nan=False)]
AgeGroup = Literal["0-3", "4-7", "8-12", "13-19", "20-39", "40-59", "60-79", "80-100"]
Gender = Literal["male", "female", "other"]
Accent = Literal[
    "us_english", "british_english", "irish", "scottish", "indian", "asian", "russian", "german", "unsure", "other"
]
AudioQuality = Literal["unusable", "poor", "average", "good", "excellent"]
BackgroundSound = Literal["music", "people_talking", "animals", "city_traffic", "other", "none"]
Report = Literal[
    "offensive", "sexual", "hate_speech", "broken_link", "no_speech", "several_speakers", "personal_data",
    "copyright", "other",
]  # fmt: skip


class Annotation(BaseModel):
    """What one annotator said of one clip at one time: one row of an annotation file.

    A field left out, null or empty was not said. The clip is named by `clip_id`, or by `url`, `start_s` and
    `end_s`. Everything about a person in the clip is as the annotator perceived it.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    clip_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")]
    annotator_id: Name
    submitted_at: Time
    time_spent_s: Duration | None = None
    transcription: Text | None = None
    language: Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    audio_description: Text | None = None
    video_description: Text | None = None
    arousal: Annotated[Scale, Field(ge=0, le=10)] | None = None
    valence: Annotated[Scale, Field(ge=-5, le=5)] | None = None
    age_group: AgeGroup | None = None
    gender: Gender | None = None
    gender_text: Text | None = None
    accent: Accent | None = None
    accent_text: Text | None = None
    audio_quality: AudioQuality | None = None
    background_sounds: Annotated[list[BackgroundSound], AfterValidator(_once)] = []
    background_text: Text | None = None
    emotions: Annotated[list[Word], AfterValidator(_once)] = []
    reports: Annotated[list[Report], AfterValidator(_once)] = []
    report_text: Text | None = None
    retracted: bool = False
    vocabulary_version: Annotated[Name, AfterValidator(_known_version)] | None = None
    source_ref: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _blank_is_not_said(cls, row: Any) -> Any:
        """Drop what is blank, and turn `url`, `start_s` and `end_s` into the clip's id."""
        if not isinstance(row, dict):
            raise ValueError("a row is a JSON object")
        said = {key: value for key, value in row.items() if not _is_blank(value)}
        if "clip_id" in said:
            return {key: value for key, value in said.items() if key not in ("url", "start_s", "end_s")}
        if not {"url", "start_s", "end_s"} <= said.keys():
            raise ValueError("the clip is named by clip_id, or by url, start_s and end_s")
        start_ms, end_ms = (_milliseconds(name, said.pop(name)) for name in ("start_s", "end_s"))
        recording = ids.parse_address(str(said.pop("url")))
        said["clip_id"] = ids.clip_id(ids.source_id(recording.url), start_ms, end_ms)
        return said


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _milliseconds(name: str, value: object) -> int:
    """A time in seconds, a number or one written as text, in milliseconds. Raises ValueError."""
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return round(float(value) * 1000)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{name}: no number of seconds: {str(value)[:80]!r}")


# Columns of catalog.annotation that come from a row as they are.
SAID_COLUMNS = [name for name in Annotation.model_fields if name not in ("retracted", "vocabulary_version")]
COLUMNS = ["annotation_id", *SAID_COLUMNS, "is_retracted", "vocabulary_version", "file", "line"]


@dataclass
class Accepted:
    """A row that met the contract."""

    line: int
    annotation: Annotation

    def record(self, file: str) -> list[object]:
        """The row as catalog.annotation takes it; its id is the hash of what was said."""
        said = self.annotation.model_dump()
        version = said["vocabulary_version"] or vocabulary.load()[0]
        canonical = self.annotation.model_dump_json(exclude_defaults=True, exclude={"source_ref"})
        annotation_id = hashlib.sha256(canonical.encode()).hexdigest()
        return [
            annotation_id, *(said[name] for name in SAID_COLUMNS), said["retracted"], version, file, self.line
        ]  # fmt: skip


@dataclass
class Rejected:
    """A row that did not, as it stood, and why."""

    line: int
    raw: str
    reason: str

    def record(self, file: str) -> list[object]:
        """The row as catalog.annotation_reject takes it."""
        raw, reason = _storable(self.raw), _storable(self.reason)
        reject_id = hashlib.sha256(f"{reason}\n{raw}".encode()).hexdigest()
        return [reject_id, raw, reason, file, self.line]


def read_jsonl(stream: IO[bytes]) -> Iterator[Accepted | Rejected]:
    """Each line of a JSONL stream, checked; blank lines are passed over. Memory does not grow with the file."""
    line = 0
    # Files on S3 read no line of limited length; the buffer does, for any stream.
    lines = io.BufferedReader(stream)  # type: ignore[type-var]
    while raw := lines.readline(MAX_LINE_BYTES + 1):
        line += 1
        if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            head = raw[:200].decode(errors="replace")
            while raw and not raw.endswith(b"\n"):
                raw = lines.readline(MAX_LINE_BYTES)
            yield Rejected(line, head, f"a line of over {MAX_LINE_BYTES} bytes")
        elif raw.strip(b" \t\r\n\xef\xbb\xbf"):
            yield check_row(line, raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw)


def check_row(line: int, raw: bytes) -> Accepted | Rejected:
    """One JSON row against the contract."""
    try:
        row = json.loads(raw.decode("utf-8"), object_pairs_hook=_object)
        return Accepted(line, Annotation.model_validate(row))
    except ValidationError as error:
        faults = error.errors(include_url=False)
        reason = "; ".join(_complaint(dict(fault)) for fault in faults[:MAX_COMPLAINTS])
        if len(faults) > MAX_COMPLAINTS:
            reason += f"; and {len(faults) - MAX_COMPLAINTS} more faults"
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: {error.reason} at byte {error.start}"
    except (ValueError, RecursionError) as error:
        reason = f"no JSON: {error}"
    return Rejected(line, raw.decode(errors="replace").strip(), reason)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError if a key stands in it twice: which one was meant?"""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def _complaint(fault: dict[str, Any]) -> str:
    """One fault of a row as a person wants to read it: `arousal: Input should be … (11)`."""
    where = ".".join(map(str, fault["loc"]))
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not where or fault["type"] in ("missing", "value_error"):
        return f"{where}: {message}" if where else message
    return f"{where}: {message} ({str(fault['input'])[:80]!r})"


def _storable(text: str) -> str:
    """Text as Postgres can hold it: without a NUL and without half a surrogate pair."""
    return text.replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()


@dataclass
class FileResult:
    """What became of a file's rows."""

    file: str
    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)


def check_file(path: Path) -> FileResult:
    """What would be accepted and refused of a file, and why. Changes nothing; needs no catalog."""
    result = FileResult(path.name)
    with path.open("rb") as stream:
        for row in read_jsonl(stream):
            if isinstance(row, Rejected):
                result.rejected.append(row)
            result.counts[_outcome(row)] += 1
    return result


def _outcome(row: Accepted | Rejected) -> str:
    return "rejected" if isinstance(row, Rejected) else "accepted"


def merge_stream(stream: IO[bytes], file: str) -> dict[str, int]:
    """Merge one file's rows into the catalog and renew the labels of the clips they speak of; one transaction.

    Returns counts: `accepted` (new rows), `repeated` (known ones), `rejected`; of the accepted, `waiting` for a
    clip that is not known yet and `superseded` by a later row of the same annotator; `labels` renewed.
    """
    counts: Counter[str] = Counter(accepted=0, repeated=0, rejected=0)
    with catalog.connect() as connection:
        # Two merges at once would each miss the other's votes in a label of both.
        connection.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        vocabulary.save(connection)
        connection.execute(catalog.statement("create_annotation_staging"))
        for batch in _batches(read_jsonl(stream)):
            accepted = [row for row in batch if isinstance(row, Accepted)]
            rejected = [row for row in batch if isinstance(row, Rejected)]
            counts["accepted"] += _insert(connection, "annotation", COLUMNS, accepted, file)
            counts["rejected"] += len(rejected)
            _insert(connection, "reject", ["reject_id", "raw", "reason", "file", "line"], rejected, file)
            counts["repeated"] += len(accepted)
            log.info("%s: %d rows read", file, counts["repeated"] + counts["rejected"])
        counts["repeated"] -= counts["accepted"]
        state = catalog.row(connection, "count_merged_rows") or {}
        counts.update({name: n_rows for name, n_rows in state.items() if n_rows})
        counts["labels"] = labels.renew(connection, "touched_clip")
    return dict(counts)


def _batches(rows: Iterable[Accepted | Rejected]) -> Iterator[list[Accepted | Rejected]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _insert(
    connection: "Connection[catalog.Row]",
    kind: Literal["annotation", "reject"],
    columns: list[str],
    rows: Sequence[Accepted | Rejected],
    file: str,
) -> int:
    """COPY rows into their staging table and from there into the catalog; how many were new."""
    connection.execute(f"truncate staged_{kind}")
    catalog.copy_in(connection, f"staged_{kind}", columns, (row.record(file) for row in rows))
    return catalog.run(connection, f"merge_staged_{kind}s")


def plan_merges(limit: int | None = None, dry_run: bool = False) -> list[dict[str, Any]]:
    """Arguments of merge_inbox_file() for the files that wait in the inbox, by name; at most 1,000 of them."""
    waiting = [
        path
        for path in store.paths_below(INBOX)
        if PurePosixPath(path).parent == PurePosixPath(INBOX) and path.endswith(".jsonl")
    ]
    log.info("%d files wait in %s", len(waiting), store.url(INBOX))
    batch = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return [{"path": path, "batch": batch, "dry_run": dry_run} for path in waiting[: limit or 1000]]


def merge_inbox_file(path: str, batch: str, dry_run: bool = False) -> dict[str, int]:
    """Merge one file of the inbox, then move it to `inbox/merged/<batch>/`.

    A file without a single acceptable row goes to `inbox/rejected/<batch>/`. Returns merge_stream()'s counts and
    `files`. A file that another run moves meanwhile counts as nothing. With `dry_run` rows are only checked.
    """
    try:
        stream = store.open_read(path)
    except FileNotFoundError:
        log.info("%s: another run was faster", path)
        return {}
    with stream:
        if dry_run:
            return dict(Counter(_outcome(row) for row in read_jsonl(stream)))
        counts = merge_stream(stream, PurePosixPath(path).name)
    outcome = "merged" if counts["accepted"] or counts["repeated"] or not counts["rejected"] else "rejected"
    try:
        store.move(path, f"inbox/{outcome}/{batch}/{PurePosixPath(path).name}")
    except FileNotFoundError:
        log.info("%s: another run merged and moved it meanwhile", path)
        return {}
    log.info("%s: %s, moved to inbox/%s/%s/", path, counts, outcome, batch)
    return {**counts, "files": 1}
