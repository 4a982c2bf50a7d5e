"""yt-dlp, kept on a short lead: metadata and downloads.

Nothing here touches the catalog. Addresses come from strangers: yt-dlp loads only the extractors that the settings
name, no plugins, no configuration, connects to public addresses only, and has no ffmpeg, which would fetch by itself.
"""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from include import captions, egress, settings
from include.faults import Fault, causes, classify, one_line

log = logging.getLogger(__name__)

LIVE = "a live stream, no recording yet"
CHUNK_BYTES = 1 << 16
SEARCH = r"ytsearch(date)?[0-9]{1,3}:[^\x00-\x1f]{1,200}"  # what yt-dlp takes for a search
Pace = Callable[[str], None]  # called with the address before each request; may sleep, may raise Fault


class _QuietLogger:
    """yt-dlp's own talk, at debug level: what failed is raised as well, and reported once, by who catches it."""

    def debug(self, message: str) -> None:
        """What yt-dlp prints. Nothing of it is logged while a proxy or cookies are in use: it may show them."""
        if not settings.harvest_connection():
            log.debug("yt-dlp: %s", message)

    warning = error = debug


def _options() -> dict[str, Any]:
    """What every call of yt-dlp gets. The API reads no configuration file; plugins and cache stay off.

    Cookies, proxy and player options come from an Airflow Connection's extra, and stay in memory.
    """
    current = settings.current()
    secret = settings.harvest_connection()
    return {
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "logger": _QuietLogger(),
        "cachedir": False,
        "enable_file_urls": False,
        "allowed_extractors": list(current.allowed_extractors),
        "geo_bypass": False,
        "socket_timeout": current.download_timeout_s,
        "retries": 2,
        "fragment_retries": 2,
        "extractor_retries": 1,
        "skip_unavailable_fragments": False,
        "ffmpeg_location": "/no/ffmpeg",
        "external_downloader": {"default": "native"},
        "hls_prefer_native": True,
        "format": "bestaudio/best",
        **({"cookiefile": io.StringIO(secret["cookies"])} if secret.get("cookies") else {}),
        **({"proxy": secret["proxy"]} if secret.get("proxy") else {}),
        **({"extractor_args": secret["extractor_args"]} if secret.get("extractor_args") else {}),
    }


def _open_client(**options: Any) -> Any:
    """A yt-dlp, to be used inside egress.guard() only."""
    from yt_dlp.globals import plugin_dirs

    plugin_dirs.value = []
    return _guarded_class()({**_options(), **options})


class Reader:
    """A yt-dlp that reads the metadata of one address after another: to load it costs more than most pages do.

    Each address has a deadline and a number of bytes of its own; cookies and open connections stay for the next one.
    `pace` is asked before each request. Of a list `max_listed` entries are read.
    """

    def __init__(self, pace: Pace | None = None, max_listed: int | None = None) -> None:
        self._pace = pace
        self._max_listed = max_listed
        self._client: Any = None
        self._connections = egress.Connections()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what is open; the next address begins anew."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._connections.close()

    @contextmanager
    def guarded(self) -> Iterator[Any]:
        """The yt-dlp, for one address; whatever is raised in the block becomes a Fault."""
        current = settings.current()
        limits = (current.metadata_timeout_s, current.max_metadata_bytes)
        try:
            with egress.guard(*limits, self._connections) as guard:
                if self._client is None:
                    self._client = _open_client(
                        extract_flat="in_playlist",
                        skip_download=True,
                        writesubtitles=True,
                        writeautomaticsub=True,
                        **({"playlistend": self._max_listed} if self._max_listed else {}),
                    )
                self._client.guard, self._client.pace = guard, self._pace
                yield self._client
        except Exception as error:  # an extractor's own bugs come as any type; classify() names them
            if any(isinstance(cause, egress.Forbidden | egress.OutOfTime) for cause in causes(error)):
                self.close()  # its connections were cut off in the middle of an answer
            raise classify(error) from error


@cache
def _guarded_class() -> Any:
    """YoutubeDL whose requests keep the pace and whose answers are metered."""
    import yt_dlp

    class Guarded(yt_dlp.YoutubeDL):  # type: ignore[misc]
        """See above."""

        guard: egress.Guard
        pace: Pace | None = None

        def urlopen(self, req: Any) -> Any:
            """One request. Raises what yt-dlp raises, and Fault by the pace."""
            if self.pace is not None:
                self.pace(req if isinstance(req, str) else req.url)
            answer = super().urlopen(req)
            answer.read = _metered(answer.read, self.guard)
            return answer

    return Guarded


def _metered(read: Callable[..., bytes], guard: egress.Guard) -> Callable[..., bytes]:
    """A response's read() that counts: an endless answer ends at the limit, not with the memory."""

    def read_metered(amount: int | None = None) -> bytes:
        if amount is not None:
            block = read(amount)
            guard.count(len(block))
            return block
        blocks = []
        while block := read(CHUNK_BYTES):
            guard.count(len(block))
            blocks.append(block)
        return b"".join(blocks)

    return read_metered


def extract(url: str, reader: Reader) -> tuple[list[dict[str, Any]], list[str]]:
    """What is at `url`: metadata of the recordings that stand there themselves, and addresses that it lists.

    `captions` in the metadata is what _captions() gives.

    A playlist's or feed's entries come as addresses, so that each can fail on its own. `url` may be one of yt-dlp's
    searches (`ytsearch20:words`). Nothing is downloaded. Raises Fault.
    """
    from yt_dlp.utils import unsmuggle_url

    with reader.guarded() as client:
        entries = _flatten(client.sanitize_info(client.extract_info(url, download=False)))
        for entry in entries:
            if not is_live(entry):
                entry["captions"] = _captions(client, entry)
    listed = [unsmuggle_url(entry["url"])[0] for entry in entries if entry.get("_type") in ("url", "url_transparent")]
    recordings = [entry for entry in entries if entry.get("_type", "video") == "video"]
    if not recordings and not listed:
        raise Fault("transient", "no recording is listed there, or not yet")
    if len({entry["webpage_url"] for entry in recordings}) < len(recordings):
        # Several recordings on one page: only their own addresses tell them apart.
        recordings = [{**entry, "webpage_url": _media_url(entry)} for entry in recordings]
    return recordings, listed


def _captions(client: Any, info: dict[str, Any]) -> dict[str, Any] | None:
    """A recording's captions: `language`, `is_automatic`, `lines`; None if it has none that can be read.

    A recording is worth having without them, so that their faults are only logged.
    """
    track = captions.choose(info)
    if track is None:
        return None
    try:
        lines = captions.lines(client.urlopen(track.url).read().decode("utf-8", "replace"), track.extension)
    except Exception as error:
        log.warning("captions not read: %s", one_line(error))
        return None
    return {"language": track.language, "is_automatic": track.is_automatic, "lines": lines} if lines else None


def _flatten(info: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Recordings and links in what yt-dlp found, out of all playlists they may be nested in."""
    if info is None:
        return []
    if info.get("_type") not in ("playlist", "multi_video"):
        return [info]
    return [found for entry in info.get("entries") or [] for found in _flatten(entry)]


def is_live(info: dict[str, Any]) -> bool:
    """Whether this is a stream without an end, or one that has not begun."""
    return bool(info.get("is_live")) or info.get("live_status") in ("is_live", "is_upcoming")


def _media_url(entry: dict[str, Any]) -> str:
    """Address of the media itself: yt-dlp lists formats from worst to best."""
    return str(entry.get("url") or entry["formats"][-1]["url"])


def download(url: str, folder: Path) -> Path:
    """Download the recording's best audio into the empty `folder`; the file's path.

    Success is what is on disk, not what yt-dlp returns: it skips a file over its size limit without a word.
    Raises Fault.
    """
    current = settings.current()
    max_bytes = current.max_download_bytes

    def check(progress: dict[str, Any]) -> None:
        """A server that announces no length is stopped while it sends."""
        if (progress.get("downloaded_bytes") or 0) > max_bytes:
            raise Fault("refused", f"over {max_bytes} bytes")

    def refuse_live(info: dict[str, Any], **_: object) -> None:
        if is_live(info):
            raise Fault("refused", LIVE)

    options = {
        "noplaylist": True,
        "playlist_items": "1",
        "outtmpl": {"default": str(folder / "source.%(ext)s")},
        "max_filesize": max_bytes,
        "match_filter": refuse_live,
        "progress_hooks": [check],
        "fixup": "never",
        "overwrites": True,
    }
    try:
        with egress.guard(current.max_download_s, max_bytes) as guard, _open_client(**options) as client:
            client.guard = guard
            client.extract_info(url)
    except Exception as error:
        raise classify(error) from error
    files = [path for path in folder.iterdir() if path.suffix != ".part"]
    if not files:
        raise Fault("refused", f"nothing was downloaded: over {max_bytes} bytes, or empty")
    if files[0].stat().st_size > max_bytes:
        raise Fault("refused", f"over {max_bytes} bytes")
    return files[0]
