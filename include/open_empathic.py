"""The original Open Empathic site's own export (openempathic/EMNS-DCT): CSV without a header, or Parquet.

One row is one opinion. What the site's form and its database model write differently (valence, capitals, ages) is
brought to the contract's terms here, and refused where that would be a guess.
"""

import json
import re
from typing import Any
from urllib.parse import urlsplit

from include import ids
from include.contract import AGE_GROUPS

COLUMNS = (
    "id", "language", "utterance", "audio_description", "video_description", "bg_sounds", "accent", "emotion",
    "author_id", "date_created", "status", "gender", "audio_quality", "age", "arousal", "valence", "time_spent",
    "locked_by_id", "is_locked", "audio_recording",
)  # fmt: skip
SOUNDS = ("music", "people_talking", "animals", "city_traffic", "other", "none")
GENDERS = ("male", "female", "other")
ACCENTS = (
    "us_english", "british_english", "irish", "scottish", "indian", "asian", "russian", "german", "unsure", "other",
)  # fmt: skip
MAX_SOUNDS_CHARACTERS = 70  # of the site's column: a longer list was cut off there


def is_header(fields: list[str]) -> bool:
    """Whether these are the names of the export's columns."""
    return {"id", "utterance", "author_id", "audio_recording"} <= {field.strip() for field in fields}


def is_export(fields: list[str]) -> bool:
    """Whether this is a first line of the export: its header, or a row of as many fields with an address at its end."""
    is_row = len(fields) == len(COLUMNS) and fields[0].strip().isdigit() and "://" in fields[-1]
    return is_header(fields) or is_row


def as_annotation(row: dict[str, Any], valence_scale: str | None) -> dict[str, Any]:
    """The contract's row of one row of the export.

    `valence_scale` is `form` (−5…+5) or `model` (0…10). Raises ValueError if the row can't be understood, or only
    by guessing.
    """
    text = {name: _text(row.get(name)) for name in COLUMNS}
    # The site makes a row of each clip before anybody has heard it.
    if text["status"].lower() == "pending":
        raise ValueError("status Pending: nobody has annotated it yet")
    if not text["author_id"]:
        raise ValueError("author_id: it does not say who made it")
    named = {name: "" if value.lower() in ("none", "null", "nan") else value for name, value in text.items()}
    gender, gender_text = _choice(named["gender"], GENDERS)
    accent, accent_text = _choice(named["accent"], ACCENTS)
    return {
        **_clip(text["audio_recording"]),
        "source_ref": f"open-empathic:{text['id']}",
        "annotator_id": f"open-empathic:{_whole(text['author_id'])}",
        "submitted_at": _time(text["date_created"]),
        "time_spent_s": named["time_spent"],
        "language": named["language"],
        "transcription": text["utterance"],
        "audio_description": text["audio_description"],
        "video_description": text["video_description"],
        "arousal": named["arousal"],
        "valence": _valence(named["valence"], valence_scale),
        "age_group": _age_group(named["age"]),
        "gender": gender,
        "gender_text": gender_text,
        "accent": accent,
        "accent_text": accent_text,
        "audio_quality": named["audio_quality"].lower(),
        "background_sounds": _sounds(text["bg_sounds"]),
        "emotions": _words(named["emotion"]),
    }


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, default=str).strip('"')


def _whole(number: str) -> str:
    """A number that a table program wrote as 7.0, as 7."""
    return number.strip().removesuffix(".0")


def _clip(address: str) -> dict[str, Any]:
    """The clip that a YouTube embed address with start and end names. Raises ValueError."""
    stretch = ids.parse_address(address)
    if stretch.window_ms is None:
        raise ValueError(f"audio_recording: no start and end in {urlsplit(address).query[:80]!r}")
    return {"url": stretch.url, "start_s": stretch.start_s, "end_s": stretch.end_s}


def _time(text: str) -> str:
    """A time as Postgres writes it, `2023-12-08 10:11:12.5+00`, in ISO 8601."""
    return re.sub(r"([+-]\d\d)$", r"\1:00", text.strip()) if ":" in text else text


def _valence(text: str, scale: str | None) -> str | float:
    if not text.strip():
        return ""
    if scale not in ("form", "model"):
        raise ValueError("valence: is it on the form's scale, -5 to +5, or on the model's, 0 to 10? Say which")
    try:
        return float(text) - (5 if scale == "model" else 0)
    except ValueError:
        return text


def _age_group(text: str) -> str:
    """The group of an age: a band as it is, a number by the band it lies in. Raises ValueError."""
    text = text.strip()
    if not text or text in AGE_GROUPS:
        return text
    try:
        years = float(text)
        bands = (tuple(map(int, band.split("-"))) for band in AGE_GROUPS)
        return next(f"{first}-{last}" for first, last in bands if first <= years < last + 1)
    except (ValueError, StopIteration):
        raise ValueError(
            f"age: {text[:80]!r} is neither one of {', '.join(AGE_GROUPS)} nor a number of years"
        ) from None


def _choice(text: str, options: tuple[str, ...]) -> tuple[str, str]:
    """The option that a text names, in any capitals; another text is `other`, and what it says."""
    option = re.sub(r"[\s-]+", "_", text.strip().lower())
    if option in options or not option:
        return option, ""
    return "other", text.strip()


def _sounds(text: str) -> list[str]:
    """The sounds in the text of a Python list, or one that was cut off. Raises ValueError."""
    text = text.strip()
    if not text or text in ("[]", "None"):
        return []
    found = re.findall(r"""['"]([^'"]*)['"]""", text)
    if not text.startswith("["):
        found = [part.strip() for part in text.split(",")]
    elif not text.endswith("]"):
        if len(text) < MAX_SOUNDS_CHARACTERS - 1:
            raise ValueError(f"bg_sounds: no list: {text!r}")
        found += _completed(re.sub(r"""^.*?(?:,|\[)\s*['"]?([^'",]*)$""", r"\1", text))
    return [re.sub(r"\s+", "_", sound.strip().lower()) for sound in found if sound.strip()]


def _completed(start: str) -> list[str]:
    """The one sound that begins so; none if nothing is left of it. Each begins with another letter."""
    return [sound for sound in SOUNDS if start.strip() and sound.startswith(start.strip().lower())]


def _words(text: str) -> list[str]:
    """The words of {family: [words]}, written as JSON. Raises ValueError."""
    if not text.strip():
        return []
    try:
        by_family = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"emotion: no JSON: {text[:80]!r}") from None
    if not isinstance(by_family, dict):
        raise ValueError(f"emotion: no object of families: {text[:80]!r}")
    words: list[str] = []
    for chosen in by_family.values():
        words += [chosen] if isinstance(chosen, str) else chosen or []
    return [str(word).strip().removesuffix(":") for word in words if str(word).strip()]
