"""Addresses → `source` rows and candidate clips, through yt-dlp's metadata.

What was learned of each address goes into the ledger, so that a known one costs nothing and a dead one is not
asked again.
"""

import logging
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import catalog, ids, settings, ytdlp

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

SOURCES = Path(__file__).parent / "sources.yaml"
MAX_LIST_DEPTH = 3  # a channel lists its playlists, a playlist its videos
MAX_DURATION_S = 1e6

# What of yt-dlp's metadata is kept in `source.info`; the rest is large, short-lived or nobody's business.
INFO_FIELDS = (
    "id", "extractor_key", "title", "description", "uploader", "uploader_id", "channel", "channel_id",
    "duration", "license", "language", "upload_date", "age_limit", "live_status", "availability", "categories",
    "tags", "view_count", "webpage_url",
)  # fmt: skip


def configured_urls() -> list[str]:
    """The addresses in `include/sources.yaml`. Raises ValueError if the file is not of its form."""
    import yaml

    content = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))
    urls = content.get("urls") if isinstance(content, dict) else None
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise ValueError(f"{SOURCES.name}: expected one key, `urls`, with a list of addresses")
    return urls


def plan_batches(
    urls: Sequence[str] | None = None, limit: int | None = None, batch_size: int = 20, dry_run: bool = False
) -> list[dict[str, Any]]:
    """Arguments of harvest_batch() for parallel work: addresses, those of one recording together.

    Without `urls`, those of `sources.yaml`. `limit` is a number of recordings. At most 1,000 batches: Airflow
    maps no task over more than 1,024.
    """
    by_recording: dict[str, list[str]] = defaultdict(list)
    for address in urls or configured_urls():
        try:
            recording = ids.parse_address(address).url
        except ValueError:
            recording = address  # to be refused where refusals are recorded
        by_recording[recording].append(address)
    recordings = list(by_recording.values())[:limit]
    batch_size = max(batch_size, -(-len(recordings) // 1000))
    batches = [recordings[first : first + batch_size] for first in range(0, len(recordings), batch_size)]
    log.info("%d recordings to harvest, in %d batches", len(recordings), len(batches))
    return [{"urls": [url for recording in batch for url in recording], "dry_run": dry_run} for batch in batches]


def harvest_batch(urls: Sequence[str], dry_run: bool = False) -> dict[str, int]:
    """Harvest some addresses, each on its own: one that fails is recorded with its class and reason.

    Returns counts. What became of the addresses: `new_sources` and `known_sources` (a page may hold several),
    `lists` (whose entries are counted besides), `skipped` (known to be final or not due yet), and one count for
    each class of fault. What came of the sources: `new_clips`, and `to_cut` when they are decoded.
    With `dry_run` metadata is read and nothing is written.
    """
    counts: Counter[str] = Counter()
    stretches: dict[str, list[ids.Stretch]] = defaultdict(list)
    for address in urls:
        try:
            stretch = _parse(address)
        except ytdlp.Fault as fault:
            counts += _take_fault(_for_ledger(address), fault, dry_run)
        else:
            stretches[stretch.url].append(stretch)
    for n_done, (url, wanted) in enumerate(stretches.items(), 1):
        counts += _harvest_address(url, wanted, dry_run)
        log.info("%d of %d addresses: %s", n_done, len(stretches), dict(counts))
    return dict(counts)


def _parse(address: str) -> ids.Stretch:
    """What an address means. Raises ytdlp.Fault if it means nothing, or a stretch that can be no clip."""
    try:
        stretch = ids.parse_address(address)
    except ValueError as error:
        raise ytdlp.Fault("unsupported", str(error)) from None
    try:
        if stretch.window_ms is not None:
            ids.check_window(*stretch.window_ms)
    except ValueError as error:
        raise ytdlp.Fault("refused", str(error)) from None
    return stretch


def _for_ledger(address: str) -> str:
    """An address that is none, as text that the catalog can hold and that keeps no password."""
    printable = "".join(char if char.isprintable() else "\ufffd" for char in address)
    return re.sub(r"//[^/@]*@", "//…@", printable)[:500]


def _take_fault(url: str, fault: ytdlp.Fault, dry_run: bool) -> Counter[str]:
    """Record and count a fault, unless the ledger holds it as final already."""
    if _known_refusal(url) is not None:
        return Counter(skipped=1)
    log.warning("%s: %s: %s", url, fault.fault_class, fault)
    if not dry_run:
        with catalog.connect() as connection:
            retry_after_s = None if fault.is_final else settings.current().retry_after_s
            _record(connection, url, fault.fault_class, str(fault), retry_after_s=retry_after_s)
    return Counter({fault.fault_class: 1})


def _known_refusal(url: str) -> catalog.Row | None:
    """The ledger's word on an address that is not to be asked again, or not yet."""
    with catalog.connect() as connection:
        known = catalog.row(connection, "select_known_url", url=url)
    return None if known is None or known["outcome"] == "ok" or known["is_due"] else known


def _harvest_address(url: str, stretches: list[ids.Stretch], dry_run: bool, depth: int = 0) -> Counter[str]:
    """Harvest one address, and what it lists, with all stretches that were asked of it; faults are recorded."""
    known = _known_refusal(url)
    if known is not None:
        log.info("%s: skipped, known as %s: %s", url, known["outcome"], known["message"])
        return Counter(skipped=1)
    try:
        return _harvest_recording(url, stretches, dry_run, depth)
    except ytdlp.Fault as fault:
        return _take_fault(url, fault, dry_run)


def _harvest_recording(url: str, stretches: list[ids.Stretch], dry_run: bool, depth: int) -> Counter[str]:
    """Harvest an address that may be asked. Raises ytdlp.Fault."""
    with catalog.connect() as connection:
        sources = catalog.rows(connection, "select_sources_at", url=url)
    counts: Counter[str] = Counter()
    is_known = bool(sources)
    if not is_known:
        recordings, listed = ytdlp.extract(url)
        sources = [_source_row(info) for info in recordings]
        counts += _harvest_list(listed, stretches, dry_run, depth + 1)
    if dry_run:
        counts["known_sources" if is_known else "new_sources"] += len(sources)
        return counts
    with catalog.connect() as connection:
        for source in sources:
            is_new = not is_known and _upsert_source(connection, source)
            counts["new_sources" if is_new else "known_sources"] += 1
            for stretch in stretches:
                counts += _insert_clips(connection, source, stretch)
        if not is_known:
            _record(connection, url, "ok", source_ids=[source["source_id"] for source in sources])
    return counts


def _harvest_list(listed: list[str], stretches: list[ids.Stretch], dry_run: bool, depth: int) -> Counter[str]:
    """Harvest what an address lists: each entry on its own. Raises ytdlp.Fault if lists list lists without end."""
    if not listed:
        return Counter()
    if depth > MAX_LIST_DEPTH:
        raise ytdlp.Fault("refused", f"a list within {MAX_LIST_DEPTH} other lists")
    counts = Counter(lists=1)
    for address in dict.fromkeys(listed):
        try:
            url = _parse(address).url
        except ytdlp.Fault as fault:
            counts += _take_fault(_for_ledger(address), fault, dry_run)
        else:
            counts += _harvest_address(url, stretches, dry_run, depth)
    return counts


def _source_row(info: dict[str, Any]) -> catalog.Row:
    """The `source` row of one recording's metadata. Raises ytdlp.Fault if its address is none."""
    info = _clean(info)
    url = _parse(info["webpage_url"]).url
    extractor = str(info.get("extractor_key") or "generic")
    source_id = ids.source_id(url, extractor, str(info.get("id") or ""))
    channel = _first_text(info, "channel_id", "uploader_id", "channel", "uploader")
    return {
        "source_id": source_id,
        "url": url,
        "title": _first_text(info, "title"),
        "channel": channel,
        "speaker_group": f"{extractor.lower()}:{channel}" if channel else source_id,
        "duration_s": _duration_s(info.get("duration")),
        "licence": _first_text(info, "license") or "unknown",
        "language": _first_text(info, "language"),
        "info": {field: info[field] for field in INFO_FIELDS if info.get(field) is not None},
    }


def _clean(value: Any) -> Any:
    """Metadata as the catalog can hold it: no NUL and no half characters in text, no NaN, keys that are text."""
    match value:
        case str():
            return value.replace("\0", "").encode(errors="replace").decode()
        case dict():
            return {_clean(str(key)): _clean(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case float() if not math.isfinite(value):
            return None
    return value


def _first_text(info: dict[str, Any], *fields: str) -> str | None:
    """The first of the fields that says anything."""
    return next((str(info[field]) for field in fields if info.get(field)), None)


def _duration_s(value: object) -> float | None:
    """A length that can be: sites announce zero, and nonsense."""
    return float(value) if isinstance(value, int | float) and 0 < value < MAX_DURATION_S else None


def _upsert_source(connection: "Connection[catalog.Row]", source: catalog.Row) -> bool:
    """Write a source's row; whether it is a new one."""
    from psycopg.types.json import Jsonb

    written = catalog.row(connection, "upsert_source", **{**source, "info": Jsonb(source["info"])})
    return bool(written and written["is_new"])


def _insert_clips(connection: "Connection[catalog.Row]", source: catalog.Row, stretch: ids.Stretch) -> Counter[str]:
    """Candidates of one stretch of a source.

    Without times the source is marked to be cut at its pauses, once, when it is decoded; unless it is known to be
    too short.
    """
    source_id, duration_s = source["source_id"], source["duration_s"]
    if stretch.window_ms is not None:
        return Counter(new_clips=insert_clips(connection, source_id, [stretch.window_ms]))
    if duration_s is not None and duration_s < settings.current().clip_min_s:
        refusal = f"only {duration_s:.2f} s long"
        catalog.run(connection, "put_off_source", source_id=source_id, refusal=refusal, retry_at=None)
        return Counter()
    return Counter(to_cut=catalog.run(connection, "mark_source_to_cut", source_id=source_id))


def insert_clips(connection: "Connection[catalog.Row]", source_id: str, windows: list[tuple[int, int]]) -> int:
    """Write candidates of a source, given as (start_ms, end_ms); how many are new."""
    return sum(
        catalog.run(
            connection,
            "insert_clip",
            clip_id=ids.clip_id(source_id, start_ms, end_ms),
            source_id=source_id,
            start_ms=start_ms,
            end_ms=end_ms,
        )
        for start_ms, end_ms in windows
    )


def cut_windows(duration_s: float) -> list[tuple[int, int]]:
    """Where a source of `duration_s` seconds is cut, as (start_ms, end_ms): equal stretches near the target length.

    None if it is shorter than `clip_min_s`. At most `max_clips_per_source`, from its start; none over 30 s.
    """
    current = settings.current()
    if duration_s < current.clip_min_s:
        return []
    n_clips = max(1, round(duration_s / current.clip_target_s), math.ceil(duration_s * 1000 / ids.MAX_CLIP_MS))
    n_edges = min(n_clips, current.max_clips_per_source) + 1
    return list(pairwise(int(duration_s * 1000 * i / n_clips) for i in range(n_edges)))


def _record(
    connection: "Connection[catalog.Row]",
    url: str,
    outcome: str,
    message: str | None = None,
    source_ids: Sequence[str] = (),
    retry_after_s: float | None = None,
) -> None:
    """Write a try into the ledger; without `retry_after_s` it is the last."""
    catalog.run(
        connection,
        "insert_attempt",
        stage="harvest",
        url=url,
        source_ids=list(source_ids),
        clip_id=None,
        outcome=outcome,
        message=message,
        retry_after_s=retry_after_s,
    )
