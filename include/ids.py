"""Ids of sources and clips, made from addresses and times alone, so that every part names a clip alike.

A YouTube video is `youtube:<video id>` whatever form its address has. Any other address has no id of its own
that can be trusted (yt-dlp's is the file's base name, which two sites share), so it is named by its base name
and a hash of host and path; scheme, port and fragment don't count.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

# As yt-dlp's own extractor has them.
YOUTUBE_HOST = re.compile(r"(\w+\.)?youtube(-nocookie|kids)?\.com|youtube\.googleapis\.com|(www\.)?youtu\.be")
MAX_CLIP_MS = 30_000
MAX_ADDRESS_BYTES = 2000  # Postgres indexes addresses, and takes no entry over 2,704 bytes


@dataclass(frozen=True)
class Stretch:
    """An address as given, and the stretch of it that is meant; no times: all of it."""

    url: str
    start_s: float | None = None
    end_s: float | None = None

    @property
    def window_ms(self) -> tuple[int, int] | None:
        """The stretch in milliseconds; None if all of the recording is meant."""
        if self.start_s is None or self.end_s is None:
            return None
        return round(self.start_s * 1000), round(self.end_s * 1000)

    def address_at(self, url: str) -> str:
        """`url` with this stretch's times, as an address is given."""
        window_ms = self.window_ms
        return url if window_ms is None else f"{url}#t={window_ms[0] / 1000:g},{window_ms[1] / 1000:g}"


def parse_address(address: str) -> Stretch:
    """The recording's address and the times that a given address carries.

    Times come from `#t=START,END` (W3C Media Fragments, https://www.w3.org/TR/media-frags/, seconds) or from
    `start=` and `end=` of a YouTube embed. An address with only a start means the whole recording.

    Raises ValueError, with what is wrong, if it is no http(s) address, its times can't be read, or it is one of
    YouTube's for a video and names none.
    """
    parts = _split(address)
    query = parse_qs(parts.query)
    video_id = _youtube_id(parts, query)
    url = parts._replace(fragment="").geturl() if video_id is None else f"https://www.youtube.com/watch?v={video_id}"
    times = parse_qs(parts.fragment).get("t", [""])[0].removeprefix("npt:")
    if "," not in times and video_id is not None and "end" in query:
        times = f"{query.get('start', ['0'])[0]},{query['end'][0]}"
    if "," not in times:
        return Stretch(url)
    start, _, end = times.partition(",")
    try:
        return Stretch(url, _seconds(start or "0"), _seconds(end))
    except ValueError:
        raise ValueError(f"times {times[:100]!r} are not START,END in seconds") from None


def recording_url(address: str) -> str:
    """The recording's address in a given one, without times; what is no address stays as it is."""
    try:
        return parse_address(address).url
    except ValueError:
        return address


def printable(address: str) -> str:
    """An address that is perhaps none, as text that the catalog can hold and that keeps no password."""
    plain = "".join(char if char.isprintable() else "\ufffd" for char in address)
    return re.sub(r"//[^/@]*@", "//…@", plain)[:500]


def _seconds(text: str) -> float:
    """A plain number of seconds, within what milliseconds in the catalog can hold. Raises ValueError."""
    if not re.fullmatch(r"-?[0-9]{1,6}(\.[0-9]*)?|\.[0-9]+", text):
        raise ValueError(text)
    return float(text)


def source_id(url: str, extractor: str = "generic", remote_id: str = "") -> str:
    """Id of the source at `url`, as `<extractor>:<id>`; extractor and remote id are yt-dlp's, if it was asked.

    Raises ValueError if `url` is no http(s) address.
    """
    parts = _split(url)
    video_id = _youtube_id(parts, parse_qs(parts.query))
    if video_id is not None:
        return f"youtube:{video_id}"
    # Short enough that `<clip id>.flac` fits the 100 characters of a tar header: a longer name needs a PAX record.
    extractor = re.sub(r"[^a-z0-9_-]", "_", extractor.lower())[:20]
    if extractor != "generic" and re.fullmatch(r"[A-Za-z0-9_-]{1,48}", remote_id):
        return f"{extractor}:{remote_id}"
    stem = PurePosixPath(unquote(parts.path)).stem or "index"
    slug = re.sub(r"[^A-Za-z0-9_-]", "_", stem)[:40]
    identity = (parts.hostname or "") + parts.path + (f"?{parts.query}" if parts.query else "")
    return f"{extractor}:{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def clip_id(source_id: str, start_ms: int, end_ms: int) -> str:
    """Id of the clip of a source from `start_ms` to `end_ms`.

    Raises ValueError if that is not a stretch of at most 30 s.
    """
    check_window(start_ms, end_ms)
    return f"{source_id.replace(':', '-')}-{start_ms}-{end_ms}"


def check_window(start_ms: int, end_ms: int) -> None:
    """Raise ValueError, with what is wrong, if that is not a stretch of at most 30 s."""
    if start_ms < 0:
        raise ValueError(f"the clip starts at {start_ms / 1000:g} s, before its source")
    if end_ms <= start_ms:
        raise ValueError(f"the clip ends at {end_ms / 1000:g} s, not after its start at {start_ms / 1000:g} s")
    if end_ms - start_ms > MAX_CLIP_MS:
        raise ValueError(f"the clip is {(end_ms - start_ms) / 1000:g} s long, over {MAX_CLIP_MS / 1000:g} s")


def _split(url: str) -> SplitResult:
    url = url.strip()
    if not url.isprintable():
        raise ValueError(f"no address, it holds characters that can't be printed: {url[:200]!r}")
    if len(url.encode()) > MAX_ADDRESS_BYTES:
        raise ValueError(f"the address is over {MAX_ADDRESS_BYTES} bytes long: {url[:200]!r}…")
    try:
        parts = urlsplit(url)
        hostname, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"no address: {error}") from None
    if parts.scheme not in ("http", "https") or not hostname:
        raise ValueError(f"no http or https address: {url[:200]!r}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address holds a user's name or password, which would be published with its clips")
    return parts


def is_youtube(host: str) -> bool:
    """Whether a host is one of YouTube's."""
    return YOUTUBE_HOST.fullmatch(host) is not None


def _youtube_id(parts: SplitResult, query: dict[str, list[str]]) -> str | None:
    """Video id of a YouTube address in any of its forms; None for other addresses, channels and playlists.

    Raises ValueError if it is an address for a video and names none.
    """
    if not is_youtube(parts.hostname or ""):
        return None
    segments = [segment for segment in parts.path.split("/") if segment]
    if (parts.hostname or "").endswith("youtu.be"):
        found = segments[0] if segments else ""
    elif segments[:1] in (["embed"], ["shorts"], ["live"], ["v"], ["e"]):
        found = segments[1] if len(segments) > 1 else ""
    elif segments[:1] in (["watch"], ["watch_popup"]):
        found = query["v"][0] if "v" in query else "".join(segments[1:2])
    else:
        return None
    if found in ("", "videoseries") and "list" in query:
        return None
    if not re.fullmatch(r"[A-Za-z0-9_-]{11}", found) or found in ("videoseries", "live_stream"):
        raise ValueError(f"{found[:50]!r} is no YouTube video id")
    return found
