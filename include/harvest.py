"""Addresses → `source` rows and candidate clips, through yt-dlp's metadata.

What was learned of each address goes into the ledger, so that a known one costs nothing and a dead one is not
asked again.
"""

import logging
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


def plan_batches(urls: Sequence[str] | None = None, limit: int | None = None, batch_size: int = 20) -> list[list[str]]:
    """Addresses to harvest, those of one recording together, in batches for parallel work.

    Without `urls`, those of `sources.yaml`. `limit` is a number of recordings. At most 1,000 batches: Airflow
    maps no task over more than 1,024.
    """
    by_recording: dict[str, list[str]] = defaultdict(list)
    for url in urls or configured_urls():
        by_recording[url.partition("#")[0]].append(url)
    recordings = list(by_recording.values())[:limit]
    batch_size = max(batch_size, -(-len(recordings) // 1000))
    batches = [
        [url for recording in recordings[first : first + batch_size] for url in recording]
        for first in range(0, len(recordings), batch_size)
    ]
    log.info("%d recordings to harvest, in %d batches", len(recordings), len(batches))
    return batches


def harvest_batch(urls: Sequence[str], dry_run: bool = False) -> dict[str, int]:
    """Harvest some addresses, each on its own: one that fails is recorded with its class and reason.

    Returns counts: `new_sources`, `known_sources`, `new_clips`, `skipped` (known to be final or not due yet),
    and one count for each class of fault. With `dry_run` metadata is read and nothing is written.
    """
    counts: Counter[str] = Counter()
    stretches: dict[str, list[ids.Stretch]] = defaultdict(list)
    for address in urls:
        try:
            stretch = ids.parse_address(address)
        except ValueError as error:
            counts["unsupported"] += 1
            if not dry_run:
                _record_fault(address, ytdlp.Fault("unsupported", str(error)))
            continue
        stretches[stretch.url].append(stretch)
    return dict(counts + _harvest_all(stretches, dry_run))


def _harvest_all(stretches: dict[str, list[ids.Stretch]], dry_run: bool) -> Counter[str]:
    """Harvest addresses one by one; what fails is recorded and counted by its class."""
    counts: Counter[str] = Counter()
    for n_done, (url, wanted) in enumerate(stretches.items(), 1):
        try:
            counts += _harvest_recording(url, wanted, dry_run)
        except ytdlp.Fault as fault:
            counts[fault.fault_class] += 1
            log.warning("%s: %s: %s", url, fault.fault_class, fault)
            if not dry_run:
                _record_fault(url, fault)
        log.info("%d of %d addresses: %s", n_done, len(stretches), dict(counts))
    return counts


def _harvest_recording(url: str, stretches: list[ids.Stretch], dry_run: bool) -> Counter[str]:
    """Harvest one address with all stretches that were asked of it. Raises ytdlp.Fault."""
    with catalog.connect() as connection:
        known = catalog.row(connection, "select_known_url", url=url)
        if known is not None and known["outcome"] != "ok" and not known["is_due"]:
            log.info("%s: skipped, known as %s: %s", url, known["outcome"], known["message"])
            return Counter(skipped=1)
        sources = catalog.rows(connection, "select_sources_at", url=url)
    counts: Counter[str] = Counter()
    is_known = bool(sources)
    if not is_known:
        recordings, listed = ytdlp.extract(url)
        sources = [_source_row(info) for info in recordings]
        counts += _harvest_all({entry: stretches for entry in listed if entry != url}, dry_run)
    if dry_run:
        counts["known_sources" if is_known else "new_sources"] += len(sources)
        return counts
    with catalog.connect() as connection:
        for source in sources:
            is_new = not is_known and _upsert_source(connection, source)
            counts["new_sources" if is_new else "known_sources"] += 1
            for stretch in stretches:
                counts += _insert_clips(connection, source, stretch)
        if sources and not is_known:
            _record(connection, url, "ok", source_ids=[source["source_id"] for source in sources])
    return counts


def _source_row(info: dict[str, Any]) -> catalog.Row:
    """The `source` row of one recording's metadata."""
    url = info["webpage_url"]
    extractor = str(info.get("extractor_key") or "generic")
    source_id = ids.source_id(url, extractor, str(info.get("id") or ""))
    channel = info.get("channel_id") or info.get("uploader_id") or info.get("channel") or info.get("uploader")
    duration_s = info.get("duration")
    return {
        "source_id": source_id,
        "url": url,
        "title": info.get("title"),
        "channel": channel,
        "speaker_group": f"{extractor.lower()}:{channel}" if channel else source_id,
        "duration_s": float(duration_s) if duration_s else None,
        "licence": info.get("license") or "unknown",
        "language": info.get("language"),
        "info": {field: info[field] for field in INFO_FIELDS if info.get(field) is not None},
    }


def _upsert_source(connection: "Connection[catalog.Row]", source: catalog.Row) -> bool:
    """Write a source's row; whether it is a new one."""
    from psycopg.types.json import Jsonb

    written = catalog.row(connection, "upsert_source", **{**source, "info": Jsonb(source["info"])})
    return bool(written and written["is_new"])


def _insert_clips(connection: "Connection[catalog.Row]", source: catalog.Row, stretch: ids.Stretch) -> Counter[str]:
    """Candidates of one stretch of a source.

    Without times the source is cut by rule if its length is known, else it is marked to be cut once decoded.
    """
    source_id = source["source_id"]
    if stretch.start_s is not None and stretch.end_s is not None:
        windows = [(round(stretch.start_s * 1000), round(stretch.end_s * 1000))]
    elif source["duration_s"] is not None:
        windows = cut_windows(source["duration_s"])
        catalog.run(connection, "mark_source_cut", source_id=source_id)
    else:
        catalog.run(connection, "mark_source_to_cut", source_id=source_id)
        return Counter(to_cut=1)
    counts: Counter[str] = Counter()
    for start_ms, end_ms in windows:
        try:
            clip_id = ids.clip_id(source_id, start_ms, end_ms)
        except ValueError as error:
            counts["refused"] += 1
            url = f"{stretch.url}#t={stretch.start_s:g},{stretch.end_s:g}"
            _record(connection, url, "refused", str(error), source_ids=[source_id])
            continue
        counts["new_clips"] += catalog.run(
            connection, "insert_clip", clip_id=clip_id, source_id=source_id, start_ms=start_ms, end_ms=end_ms
        )
    return counts


def cut_windows(duration_s: float) -> list[tuple[int, int]]:
    """Where a source of `duration_s` seconds is cut, as (start_ms, end_ms): equal stretches near the target length.

    None if it is shorter than `clip_min_s`. At most `max_clips_per_source`, from its start.
    """
    current = settings.current()
    if duration_s < current.clip_min_s:
        return []
    n_clips = max(1, round(duration_s / current.clip_target_s))
    edges_ms = [int(duration_s * 1000 * i / n_clips) for i in range(n_clips + 1)]
    return list(pairwise(edges_ms))[: current.max_clips_per_source]


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


def _record_fault(url: str, fault: ytdlp.Fault) -> None:
    """Write a failed try into the ledger, in a transaction of its own."""
    with catalog.connect() as connection:
        retry_after_s = None if fault.is_final else settings.current().retry_after_s
        _record(connection, url, fault.fault_class, str(fault), retry_after_s=retry_after_s)
