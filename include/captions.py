"""Captions of a recording: which to take, and its lines."""

import html
import json
import re
from dataclasses import dataclass
from typing import Any

EXTENSIONS = ("json3", "vtt")
MAX_LINES = 20_000
Line = tuple[int, int, str]  # start_ms, end_ms, text


@dataclass(frozen=True)
class Track:
    """One caption file that a page offers."""

    language: str
    is_automatic: bool
    extension: str
    url: str


def choose(info: dict[str, Any]) -> Track | None:
    """The author's captions before automatic ones, in the recording's language if it is known; None if there are none.

    Without a known language: the author's only track, or the automatic one of the original speech (`xx-orig`).
    """
    spoken = str(info.get("language") or "").partition("-")[0].lower()
    for kind, is_automatic in (("subtitles", False), ("automatic_captions", True)):
        tracks = {name: found for name, found in (info.get(kind) or {}).items() if name != "live_chat"}
        fitting = [name for name in tracks if name.partition("-")[0].lower() == spoken]
        if not spoken:
            fitting = [name for name in tracks if name.endswith("-orig")] or (list(tracks) if len(tracks) == 1 else [])
        for name in sorted(fitting, key=lambda name: (not name.endswith("-orig"), name)):
            for extension in EXTENSIONS:
                for track in tracks[name] or []:
                    if track.get("ext") == extension and track.get("url"):
                        return Track(name.removesuffix("-orig"), is_automatic, extension, track["url"])
    return None


def lines(text: str, extension: str) -> list[Line]:
    """The lines of a caption file (YouTube's json3, or WebVTT, https://www.w3.org/TR/webvtt1/), in order of time.

    Raises ValueError if it is no such file.
    """
    found = _json3(text) if extension == "json3" else _webvtt(text)
    cleaned = ((start, end, _plain(said)) for start, end, said in found)
    return sorted(line for line in cleaned if line[2] and 0 <= line[0] < line[1])[:MAX_LINES]


def _json3(text: str) -> list[Line]:
    events = json.loads(text).get("events", [])
    return [
        (
            int(event["tStartMs"]),
            int(event["tStartMs"]) + int(event.get("dDurationMs") or 0),
            "".join(str(part.get("utf8", "")) for part in event["segs"]),
        )
        for event in events
        if isinstance(event, dict) and event.get("segs") and "tStartMs" in event
    ]


CUE = re.compile(r"^((?:\d+:)?\d\d:\d\d\.\d{3})[ \t]+-->[ \t]+((?:\d+:)?\d\d:\d\d\.\d{3})")


def _webvtt(text: str) -> list[Line]:
    if not text.lstrip("\ufeff").startswith("WEBVTT"):
        raise ValueError("no WebVTT")
    found = []
    for block in re.split(r"\r?\n[ \t]*\r?\n", text):
        rows = block.splitlines()
        for n, row in enumerate(rows):
            times = CUE.match(row)
            if times:
                found.append((_ms(times[1]), _ms(times[2]), " ".join(rows[n + 1 :])))
                break
    return found


def _ms(time: str) -> int:
    hours_to_seconds = [float(part) for part in time.split(":")]
    seconds = 0.0
    for part in hours_to_seconds:
        seconds = seconds * 60 + part
    return round(seconds * 1000)


def _plain(text: str) -> str:
    """Text without tags, entities and characters that no catalog holds."""
    untagged = html.unescape(re.sub(r"<[^>]*>", "", text))
    printable = "".join(char if char.isprintable() else " " for char in untagged)
    return " ".join(printable.encode(errors="replace").decode().split())
