"""The annotation contract: what a row of a file must say to be taken in, whatever form the file has."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from include import ids, personal, vocabulary

MAX_COMPLAINTS = 5
CUT_SHORT = "the file ends in the midst of this row"

_DATE_AND_TIME = re.compile(r"\s*\d{4}-\d\d-\d\d[Tt ]")

Item = TypeVar("Item")


def _known_word(word: str, row: ValidationInfo) -> str:
    version = row.data.get("vocabulary_version") or vocabulary.load()[0]
    if word not in vocabulary.words_of(version):
        raise ValueError(f"{word!r} is no word of vocabulary {version}")
    return word


def _no_control_characters(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text with a NUL character")
    return text


def _known_version(version: str) -> str:
    known = vocabulary.versions()
    if version not in known:
        raise ValueError(f"{version!r} is not known; the vocabulary's versions are {', '.join(known)}")
    return version


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


def _iso_8601(value: object) -> object:
    """Refuse what else Pydantic would take for a time: seconds since 1970, as a number or as text."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    raise ValueError(f"no ISO 8601 time with a zone: {str(value)[:80]!r}")


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"no time that a calendar has in UTC: {time}") from None


def _once(items: list[Item]) -> list[Item]:
    """Each item once, in the order given."""
    return items if len(items) < 2 else list(dict.fromkeys(items))


Text = Annotated[str, Field(max_length=10_000), AfterValidator(_no_control_characters)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_no_control_characters)]
Word = Annotated[str, AfterValidator(_known_word)]
Time = Annotated[AwareDatetime, BeforeValidator(_iso_8601), AfterValidator(_in_utc)]
# A bound that stands after a function is checked in Python, which takes longer than the rest of the field.
Arousal = Annotated[int, Field(ge=0, le=10), BeforeValidator(_no_boolean)]
Valence = Annotated[int, Field(ge=-5, le=5), BeforeValidator(_no_boolean)]
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

AGE_GROUPS: tuple[str, ...] = get_args(AgeGroup)
# From the worst to the best.
QUALITIES: tuple[str, ...] = get_args(AudioQuality)

_PLACE = {"url", "start_s", "end_s"}


class Annotation(BaseModel):
    """What one annotator said of one clip at one time: one row of an annotation file.

    A field left out, null or empty was not said. The clip is named by `clip_id`, or by `url`, `start_s` and
    `end_s`; a clip that is not known yet becomes a candidate if it is named by the latter. Everything about a
    person in the clip is as the annotator perceived it.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    clip_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")]
    url: Annotated[str, Field(max_length=ids.MAX_ADDRESS_BYTES)] | None = None
    start_s: Annotated[float, Field(ge=0)] | None = None
    end_s: Annotated[float, Field(gt=0)] | None = None
    annotator_id: Name
    submitted_at: Time
    time_spent_s: Duration | None = None
    transcription: Text | None = None
    language: Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    audio_description: Text | None = None
    video_description: Text | None = None
    arousal: Arousal | None = None
    valence: Valence | None = None
    age_group: AgeGroup | None = None
    gender: Gender | None = None
    gender_text: Text | None = None
    accent: Accent | None = None
    accent_text: Text | None = None
    audio_quality: AudioQuality | None = None
    background_sounds: Annotated[list[BackgroundSound], Field(default_factory=list), AfterValidator(_once)]
    background_text: Text | None = None
    vocabulary_version: Annotated[Name, AfterValidator(_known_version)] | None = None
    emotions: Annotated[list[Word], Field(default_factory=list), AfterValidator(_once)]
    reports: Annotated[list[Report], Field(default_factory=list), AfterValidator(_once)]
    report_text: Text | None = None
    retracted: bool = False
    source_ref: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _blank_is_not_said(cls, row: Any) -> Any:
        """Drop what is blank, and turn `url`, `start_s` and `end_s` into the clip's id."""
        if not isinstance(row, dict):
            raise ValueError("a row is a JSON object")
        said = {
            key: value
            for key, value in row.items()
            if value is not None and not (isinstance(value, str) and (not value or value.isspace()))
        }
        if "clip_id" in said:
            for name in _PLACE & said.keys():
                del said[name]
            return said
        if not said.keys() >= _PLACE:
            raise ValueError("the clip is named by clip_id, or by url, start_s and end_s")
        start_ms, end_ms = (_milliseconds(name, said[name]) for name in ("start_s", "end_s"))
        recording = ids.parse_address(str(said["url"]))
        clip_id = ids.clip_id(ids.source_id(recording.url), start_ms, end_ms)
        return {**said, "url": recording.url, "start_s": start_ms / 1000, "end_s": end_ms / 1000, "clip_id": clip_id}


def _milliseconds(name: str, value: object) -> int:
    """A time in seconds, a number or one written as text, in milliseconds. Raises ValueError."""
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return round(float(value) * 1000)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{name}: no number of seconds: {str(value)[:80]!r}")


LIST_FIELDS = ("background_sounds", "emotions", "reports")
# Columns of catalog.annotation that come from a row as they are.
SAID_COLUMNS = [
    name for name in Annotation.model_fields if name not in {*_PLACE, *LIST_FIELDS, "retracted", "vocabulary_version"}
]
COLUMNS = [
    "annotation_id", *SAID_COLUMNS, *LIST_FIELDS, "is_retracted", "vocabulary_version", "file", "line",
    "flagged_fields",
]  # fmt: skip
TEXT_FIELDS = (
    "transcription", "audio_description", "video_description", "gender_text", "accent_text", "background_text",
    "report_text",
)  # fmt: skip
_SAID, _LISTS, _TEXTS = (attrgetter(*names) for names in (SAID_COLUMNS, LIST_FIELDS, TEXT_FIELDS))
# Where a row comes from and how it names its clip is not what it says.
_NOT_SAID = {"source_ref", "url", "start_s", "end_s"}
# What model_validate() and model_dump_json() call, without their checks of arguments: a tenth of a row's time.
_validated, _as_json = Annotation.__pydantic_validator__.validate_python, Annotation.__pydantic_serializer__.to_json


@dataclass(slots=True)
class Accepted:
    """A row that met the contract."""

    line: int
    annotation: Annotation

    def record(self, file: str) -> tuple[object, ...]:
        """The row as catalog.annotation takes it; its id is the hash of what was said."""
        said = self.annotation
        canonical = _as_json(said, exclude_defaults=True, exclude=_NOT_SAID)
        return (
            hashlib.sha256(canonical).hexdigest(),
            *_SAID(said),
            *map(_array, _LISTS(said)),
            said.retracted,
            said.vocabulary_version or vocabulary.load()[0],
            file,
            self.line,
            _array(self.flagged_fields()),
        )

    def flagged_fields(self) -> list[str]:
        """Text fields that hold what looks like an e-mail address or a phone number."""
        texts = zip(TEXT_FIELDS, _TEXTS(self.annotation), strict=True)
        return [name for name, text in texts if text is not None and personal.is_personal(text)]


@dataclass(slots=True)
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


def check_json(line: int, raw: bytes) -> Accepted | Rejected:
    """One row, written as a JSON object, against the contract."""
    try:
        row = _JSON.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: {error.reason} at byte {error.start}"
    except (ValueError, RecursionError) as error:
        reason = f"no JSON: {error}"
    else:
        return check(line, row, lambda: raw.decode(errors="replace").strip())
    return Rejected(line, raw.decode(errors="replace").strip(), reason)


def check(line: int, row: object, raw: Callable[[], str]) -> Accepted | Rejected:
    """One row against the contract; `raw` gives it as it stood, to be kept if it is refused."""
    try:
        return Accepted(line, _validated(row))
    except ValidationError as error:
        faults = error.errors(include_url=False)
    reason = "; ".join(_complaint(dict(fault)) for fault in faults[:MAX_COMPLAINTS])
    if len(faults) > MAX_COMPLAINTS:
        reason += f"; and {len(faults) - MAX_COMPLAINTS} more faults"
    return Rejected(line, raw(), reason)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError if a key stands in it twice: which one was meant?"""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"the key {twice[:80]!r} stands twice in one object")
    return found


# Made once: json.loads() with a hook makes one for each row.
_JSON = json.JSONDecoder(object_pairs_hook=_object)


def _complaint(fault: dict[str, Any]) -> str:
    """One fault of a row as a person wants to read it: `arousal: Input should be … (11)`."""
    where = ".".join(map(str, fault["loc"]))
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not where or fault["type"] in ("missing", "value_error"):
        return f"{where}: {message}" if where else message
    return f"{where}: {message} ({str(fault['input'])[:80]!r})"


def _array(words: list[str]) -> str:
    """Words of ours, or of a list of ours, as an array in Postgres' notation: the driver takes longer for it."""
    return "{" + ",".join(f'"{word}"' for word in words) + "}" if words else "{}"


def _storable(text: str) -> str:
    """Text as Postgres can hold it: without a NUL and without half a surrogate pair."""
    return text.replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()
