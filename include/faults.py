"""What can go wrong with a recording that stands on the web, in six classes that decide what follows.

| class | means | what follows |
|---|---|---|
| `gone` | removed, private, terminated | never asked again |
| `refused` | age gate, geo block, DRM, members only, our own limits and filters | kept; asked again on demand |
| `quota` | the site wants us to slow down | the site's breaker opens; tried again later |
| `transient` | network, 5xx, timeout, short read | tried again later |
| `broken` | an extractor's fault, bad media | tried again with another yt-dlp |
| `unsupported` | no address, or nothing there that may or can be read | kept; asked again on demand |
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal

from include import egress

FaultClass = Literal["gone", "refused", "quota", "transient", "broken", "unsupported"]
FINAL: frozenset[FaultClass] = frozenset({"gone", "refused", "unsupported", "broken"})
RETRYABLE: tuple[FaultClass, ...] = ("refused", "quota", "transient", "broken", "unsupported")
DUE = "due"  # as a `retry`: whatever is due, of any class

# Only where an exception has no type or status that says it: yt-dlp words what a site answered.
MESSAGE_CLASSES: tuple[tuple[str, FaultClass], ...] = (
    (r"http error 429|too many requests|not a bot|rate.limit", "quota"),
    (r"age.restricted|confirm your age|members.only|join this channel|\bdrm\b|live event|premieres? in", "refused"),
    (r"not (made this video )?available in your (country|location)|requires payment", "refused"),
    (r"private video|video is private|video unavailable|been removed|terminated|no longer available", "gone"),
    (r"registered users|login required", "refused"),
    (r"sign in", "quota"),
    (r"unsupported url|no suitable extractor", "unsupported"),
    (r"timed out|connection (reset|refused|aborted)|downloaded \d+ bytes, expected|content too short", "transient"),
    (r"bytes read, \d+ more expected|giving up after \d+ retries", "transient"),
    (r"http error 5\d\d|did not get any data blocks|incomplete ?read|fragment \d+ not found", "transient"),
)


class Fault(Exception):
    """Why a recording could not be had: its class decides what follows, its message is for people."""

    def __init__(self, fault_class: FaultClass, message: str) -> None:
        super().__init__(message)
        self.fault_class = fault_class

    @property
    def is_final(self) -> bool:
        """Whether trying again would give the same."""
        return self.fault_class in FINAL


def classify(error: BaseException) -> Fault:
    """The class of what yt-dlp raised: by type and HTTP status, by wording only where there is neither."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import GeoRestrictedError, UnsupportedError, UserNotLive

    message = one_line(error)
    for cause in causes(error):
        match cause:
            case Fault():
                return cause
            case egress.Forbidden():
                return Fault("refused", str(cause))
            case egress.OutOfTime():
                return Fault("transient", str(cause))
            case HTTPError(status=404 | 410):
                return Fault("gone", message)
            case HTTPError(status=429):
                return Fault("quota", message)
            case HTTPError(status=status) if status >= 500 or status == 408:
                return Fault("transient", message)
            case HTTPError():
                return Fault("refused", message)
            case UnsupportedError():
                return Fault("unsupported", message)
            case GeoRestrictedError() | UserNotLive():
                return Fault("refused", message)
    # A transport's error wraps what the guard raised, so it is asked for last.
    if any(isinstance(cause, TransportError) for cause in causes(error)):
        return Fault("transient", message)
    for pattern, fault_class in MESSAGE_CLASSES:
        if re.search(pattern, message, re.IGNORECASE):
            return Fault(fault_class, message)
    return Fault("broken", message)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that it was raised for, the outermost first; each once.

    yt-dlp keeps the cause in `exc_info[1]` (None for faults of the download step) or `cause`.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        exc_info = getattr(current, "exc_info", None)
        waiting += [exc_info[1] if exc_info else None, getattr(current, "cause", None)]
        waiting += [current.__cause__, None if current.__suppress_context__ else current.__context__]
        waiting += [argument for argument in current.args if isinstance(argument, BaseException)]


def one_line(error: BaseException) -> str:
    """What an error says, in one line without yt-dlp's trimmings and secrets; its type, if it says nothing."""
    plain = re.sub(r"^\s*ERROR:\s*(\[[^\]]+\] )?", "", re.sub(r"\x1b\[[0-9;]*m", "", str(error)))
    lines = [line for line in plain.splitlines() if line.strip()]
    return without_secrets(lines[0].strip())[:500] if lines else type(error).__name__


def without_secrets(text: str) -> str:
    """Text without the user's name and password that an address in it may hold."""
    return re.sub(r"//[^/@\s]*@", "//…@", text)


@cache
def tool_version() -> str:
    """yt-dlp's version: what broke one may work with the next."""
    from yt_dlp.version import __version__

    return str(__version__)
