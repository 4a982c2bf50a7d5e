"""yt-dlp, kept on a short lead: metadata, downloads, and what its failures mean.

Nothing here touches the catalog.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from include import settings

log = logging.getLogger(__name__)

FaultClass = Literal["gone", "refused", "quota", "transient", "broken", "unsupported"]
LIVE = "a live stream, no recording yet"
FINAL: frozenset[FaultClass] = frozenset({"gone", "refused", "unsupported", "broken"})

# Only where an exception has no type or status that says it: yt-dlp words what a site answered.
MESSAGE_CLASSES: tuple[tuple[str, FaultClass], ...] = (
    (r"http error 429|too many requests|not a bot|sign in to confirm", "quota"),
    (r"private video|video unavailable|been removed|terminated|no longer available", "gone"),
    (r"age.restricted|members.only|\bdrm\b|not available in your country|live event", "refused"),
    (r"unsupported url", "unsupported"),
    (r"timed out|connection (reset|refused|aborted)|downloaded \d+ bytes, expected|content too short", "transient"),
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
    from yt_dlp.utils import ExtractorError, GeoRestrictedError, UnsupportedError, UserNotLive

    if isinstance(error, Fault):
        return error
    message = _message(error)
    exc_info = getattr(error, "exc_info", None)
    cause = exc_info[1] if exc_info and exc_info[1] is not None else error
    if isinstance(cause, ExtractorError) and isinstance(cause.cause, HTTPError | TransportError):
        cause = cause.cause
    match cause:
        case HTTPError(status=404 | 410):
            return Fault("gone", message)
        case HTTPError(status=429):
            return Fault("quota", message)
        case HTTPError(status=status) if status >= 500 or status == 408:
            return Fault("transient", message)
        case HTTPError():
            return Fault("refused", message)
        case TransportError():
            return Fault("transient", message)
        case UnsupportedError():
            return Fault("unsupported", message)
        case GeoRestrictedError() | UserNotLive():
            return Fault("refused", message)
    for pattern, fault_class in MESSAGE_CLASSES:
        if re.search(pattern, message, re.IGNORECASE):
            return Fault(fault_class, message)
    return Fault("broken", message)


def _message(error: BaseException) -> str:
    """What an error says, in one line without yt-dlp's trimmings; its type, if it says nothing."""
    plain = re.sub(r"^\s*ERROR:\s*(\[[^\]]+\] )?", "", re.sub(r"\x1b\[[0-9;]*m", "", str(error)))
    lines = [line for line in plain.splitlines() if line.strip()]
    return lines[0].strip()[:500] if lines else type(error).__name__


class _QuietLogger:
    """yt-dlp's own talk, at debug level: what failed is raised as well, and reported once, by who catches it."""

    def debug(self, message: str) -> None:
        """What yt-dlp prints."""
        log.debug("yt-dlp: %s", message)

    warning = error = debug


def _options() -> dict[str, Any]:
    """What every call of yt-dlp gets. The API reads no configuration file; plugins, cookies and cache stay off."""
    current = settings.current()
    return {
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "logger": _QuietLogger(),
        "cachedir": False,
        "enable_file_urls": False,
        "geo_bypass": False,
        "socket_timeout": current.download_timeout_s,
        "retries": 2,
        "extractor_retries": 1,
        "ffmpeg_location": current.ffmpeg_path,
        "format": "bestaudio/best",
    }


@contextmanager
def _client(**options: Any) -> Iterator[Any]:
    """A yt-dlp without plugins; whatever is raised in the block becomes a Fault."""
    import yt_dlp
    from yt_dlp.globals import plugin_dirs

    plugin_dirs.value = []
    with yt_dlp.YoutubeDL({**_options(), **options}) as client:
        try:
            yield client
        except Exception as error:  # an extractor's own bugs come as any type; classify() names them
            raise classify(error) from error


def extract(url: str) -> tuple[list[dict[str, Any]], list[str]]:
    """What is at `url`: metadata of the recordings that stand there themselves, and addresses that it lists.

    A playlist's or feed's entries come as addresses, so that each can fail on its own. Nothing is downloaded.
    Raises Fault.
    """
    from yt_dlp.utils import unsmuggle_url

    with _client(extract_flat="in_playlist", skip_download=True) as client:
        entries = _flatten(client.sanitize_info(client.extract_info(url, download=False)))
    listed = [unsmuggle_url(entry["url"])[0] for entry in entries if entry.get("_type") in ("url", "url_transparent")]
    recordings = [entry for entry in entries if entry.get("_type", "video") == "video"]
    if not recordings and not listed:
        raise Fault("transient", "no recording is listed there, or not yet")
    if any(_is_live(entry) for entry in recordings):
        raise Fault("transient", LIVE)
    if len({entry["webpage_url"] for entry in recordings}) < len(recordings):
        # Several recordings on one page: only their own addresses tell them apart.
        recordings = [{**entry, "webpage_url": _media_url(entry)} for entry in recordings]
    return recordings, listed


def _flatten(info: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Recordings and links in what yt-dlp found, out of all playlists they may be nested in."""
    if info is None:
        return []
    if info.get("_type") not in ("playlist", "multi_video"):
        return [info]
    return [found for entry in info.get("entries") or [] for found in _flatten(entry)]


def _is_live(info: dict[str, Any]) -> bool:
    return bool(info.get("is_live")) or info.get("live_status") in ("is_live", "is_upcoming")


def _media_url(entry: dict[str, Any]) -> str:
    """Address of the media itself: yt-dlp lists formats from worst to best."""
    return str(entry.get("url") or entry["formats"][-1]["url"])


def download(url: str, folder: Path) -> Path:
    """Download the recording's best audio into the empty `folder`; the file's path.

    Success is what is on disk, not what yt-dlp returns: it skips a file over its size limit without a word.
    Raises Fault.
    """
    max_bytes = settings.current().max_download_bytes

    def check(progress: dict[str, Any]) -> None:
        """A server that announces no length is stopped while it sends."""
        if (progress.get("downloaded_bytes") or 0) > max_bytes:
            raise Fault("refused", f"over {max_bytes} bytes")

    def refuse_live(info: dict[str, Any], **_: object) -> None:
        if _is_live(info):
            raise Fault("transient", LIVE)

    with _client(
        noplaylist=True,
        playlist_items="1",
        outtmpl={"default": str(folder / "source.%(ext)s")},
        max_filesize=max_bytes,
        match_filter=refuse_live,
        progress_hooks=[check],
        fixup="never",
        overwrites=True,
    ) as client:
        client.extract_info(url)
    files = [path for path in folder.iterdir() if path.suffix != ".part"]
    if not files:
        raise Fault("refused", f"nothing was downloaded: over {max_bytes} bytes, or empty")
    if files[0].stat().st_size > max_bytes:
        raise Fault("refused", f"over {max_bytes} bytes")
    return files[0]
