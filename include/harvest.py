"""Addresses → `source` rows and candidate clips, through yt-dlp's metadata.

What was learned of each address goes into the ledger, so that a known one costs nothing and a dead one is not
asked again.
"""

import logging
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import catalog, faults, ids, ledger, politeness, settings, ytdlp
from include.faults import Fault, without_secrets

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

SOURCES = Path(__file__).parent / "sources.yaml"
MAX_LIST_DEPTH = 3  # a channel lists its playlists, a playlist its videos
MAX_DURATION_S = 1e6
MAX_LISTED = 5000  # entries of one channel or feed that one run looks at

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
    urls: Sequence[str] | None = None,
    limit: int | None = None,
    batch_size: int = 20,
    dry_run: bool = False,
    retry: str | None = None,
) -> list[dict[str, Any]]:
    """Arguments of harvest_batch() for parallel work: addresses, those of one recording together.

    With `retry` only addresses that failed: `due` those whose next try has come, a class of fault all that ended in
    it. Without `urls`, those of `sources.yaml` and all that are due. `limit` is a number of recordings. Raises
    ValueError if `retry` is neither.
    """
    if retry is not None:
        return batches_of(ledger.addresses_to_retry(retry, limit), limit, batch_size, dry_run, is_retry=True)
    if urls:
        return batches_of(urls, limit, batch_size, dry_run)
    return batches_of([*configured_urls(), *ledger.addresses_to_retry(faults.DUE, limit)], limit, batch_size, dry_run)


def batches_of(
    addresses: Sequence[str], limit: int | None, batch_size: int, dry_run: bool, *, is_retry: bool = False
) -> list[dict[str, Any]]:
    """Addresses in batches; at most 1,000 of them: Airflow maps no task over more than 1,024."""
    by_recording: dict[str, list[str]] = defaultdict(list)
    for address in dict.fromkeys(addresses):
        try:
            recording = ids.parse_address(address).url
        except ValueError:
            recording = address  # to be refused where refusals are recorded
        by_recording[recording].append(address)
    recordings = list(by_recording.values())[:limit]
    batch_size = max(batch_size, -(-len(recordings) // 1000))
    batches = [recordings[first : first + batch_size] for first in range(0, len(recordings), batch_size)]
    log.info("%d recordings to harvest, in %d batches", len(recordings), len(batches))
    shared = {"dry_run": dry_run, **({"is_retry": True} if is_retry else {})}
    return [{"urls": [url for recording in batch for url in recording], **shared} for batch in batches]


@dataclass
class _Job:
    """What all addresses of a batch share."""

    connection: "Connection[catalog.Row]"
    is_dry_run: bool
    is_retry: bool
    aim: dict[str, list[str]]
    n_left: int | None  # new sources that may still be listed

    def pace(self, url: str) -> None:
        """Wait for the site's turn before a request."""
        politeness.wait_turn(self.connection, url)


def harvest_batch(
    urls: Sequence[str],
    dry_run: bool = False,
    is_retry: bool = False,
    aim: dict[str, list[str]] | None = None,
    budget: int | None = None,
) -> dict[str, int]:
    """Harvest some addresses, each on its own: one that fails is recorded with its class and reason.

    With `is_retry` those known as refused are asked again. `aim` is what the addresses are listed for, as kept in
    `source.aim`; `budget` is how many new sources may be taken from lists.

    Returns counts. What became of the addresses: `new_sources` and `known_sources` (a page may hold several),
    `lists` (whose entries are counted besides), `skipped` (known to be final or not due yet), `waiting` (their site
    wants us to slow down: untouched), and one count for each class of fault. What came of the sources: `new_clips`,
    and `to_cut` once their length is known. With `dry_run` metadata is read and nothing is written.
    """
    counts: Counter[str] = Counter()
    stretches: dict[str, list[ids.Stretch]] = defaultdict(list)
    with catalog.connect() as connection:
        job = _Job(connection, dry_run, is_retry, aim or {}, budget)
        for address in urls:
            try:
                stretch = _parse(address)
            except Fault as fault:
                counts += _take_fault(job, _for_ledger(address), [_for_ledger(address)], fault)
            else:
                stretches[stretch.url].append(stretch)
        for n_done, (url, wanted) in enumerate(stretches.items(), 1):
            counts += _harvest_address(job, url, wanted)
            log.info("%d of %d addresses: %s", n_done, len(stretches), dict(counts))
    return dict(counts)


def _parse(address: str) -> ids.Stretch:
    """What an address means. Raises Fault if it means nothing, or a stretch that can be no clip."""
    if re.fullmatch(ytdlp.SEARCH, address):
        return ids.Stretch(address)
    try:
        stretch = ids.parse_address(address)
    except ValueError as error:
        raise Fault("unsupported", str(error)) from None
    try:
        if stretch.window_ms is not None:
            ids.check_window(*stretch.window_ms)
    except ValueError as error:
        raise Fault("refused", str(error)) from None
    return stretch


def _for_ledger(address: str) -> str:
    """An address that is none, as text that the catalog can hold and that keeps no password."""
    printable = "".join(char if char.isprintable() else "\ufffd" for char in address)
    return without_secrets(printable)[:500]


def _take_fault(job: _Job, url: str, given: list[str], fault: Fault) -> Counter[str]:
    """Record and count a fault, unless the ledger holds it as final already."""
    if not job.is_retry and ledger.known_refusal(job.connection, url) is not None:
        return Counter(skipped=1)
    log.warning("%s: %s: %s", url, fault.fault_class, fault)
    if not job.is_dry_run:
        if fault.fault_class == "quota":
            politeness.open_breaker(job.connection, url, str(fault))
        ledger.record(job.connection, "harvest", url, fault, given=given)
        if fault.is_final:
            state = "gone" if fault.fault_class == "gone" else "rejected"
            reason = f"{fault.fault_class}: {fault}"
            catalog.run(job.connection, "refuse_unread_source", url=url, state=state, reason=reason)
        job.connection.commit()
    return Counter({fault.fault_class: 1})


def _harvest_address(job: _Job, url: str, stretches: list[ids.Stretch], depth: int = 0) -> Counter[str]:
    """Harvest one address, and what it lists, with all stretches that were asked of it; faults are recorded."""
    given = [stretch.address_at(url) for stretch in stretches]
    known = None if job.is_retry else ledger.known_refusal(job.connection, url)
    if known is not None:
        log.info("%s: skipped, known as %s: %s", url, known["outcome"], known["message"])
        if not job.is_dry_run and known["next_try_at"] is not None:
            ledger.keep_for_later(job.connection, url, given, known["next_try_at"], known["message"])
        return Counter(skipped=1)
    try:
        politeness.check_open(job.connection, url)
        return _harvest_recording(job, url, stretches, depth)
    except politeness.SiteClosed as closed:
        return _put_back(job, url, given, closed)
    except Fault as fault:
        if isinstance(fault.__cause__, politeness.SiteClosed):
            return _put_back(job, url, given, fault.__cause__)
        return _take_fault(job, url, given, fault)
    finally:
        job.connection.commit()


def _put_back(job: _Job, url: str, given: list[str], closed: politeness.SiteClosed) -> Counter[str]:
    """Leave an address untouched until its site may be asked again."""
    log.info("%s: waits until %s: %s", url, closed.until, closed)
    if not job.is_dry_run:
        ledger.keep_for_later(job.connection, url, given, closed.until, str(closed))
    return Counter(waiting=1)


def _harvest_recording(job: _Job, url: str, stretches: list[ids.Stretch], depth: int) -> Counter[str]:
    """Harvest an address that may be asked. Raises Fault."""
    connection = job.connection
    sources = catalog.rows(connection, "select_sources_at", url=url)
    connection.commit()
    counts: Counter[str] = Counter()
    is_known = bool(sources)
    if not is_known:
        recordings, listed = ytdlp.extract(url, job.pace, MAX_LISTED)
        sources = [{**_source_row(info), "aim": job.aim} for info in recordings]
        counts += _harvest_list(job, listed, stretches, depth + 1)
    if job.is_dry_run:
        counts["known_sources" if is_known else "new_sources"] += len(sources)
        return counts
    with connection.transaction():
        for source in sources:
            is_new = not is_known and _upsert_source(connection, source)
            counts["new_sources" if is_new else "known_sources"] += 1
            for stretch in stretches:
                counts += _insert_clips(connection, source, stretch)
        if not is_known:
            ledger.record(connection, "harvest", url, source_ids=[source["source_id"] for source in sources])
            politeness.close_breaker(connection, url)
    return counts


def _harvest_list(job: _Job, listed: list[str], stretches: list[ids.Stretch], depth: int) -> Counter[str]:
    """Harvest what an address lists: each entry on its own. Raises Fault if lists list lists without end."""
    if not listed:
        return Counter()
    if depth > MAX_LIST_DEPTH:
        raise Fault("refused", f"a list within {MAX_LIST_DEPTH} other lists")
    counts = Counter(lists=1)
    for address in dict.fromkeys(listed):
        if job.n_left is not None and job.n_left <= 0:
            log.info("the budget is spent; the rest of the list is left for the next run")
            break
        try:
            url = _parse(address).url
        except Fault as fault:
            found = _take_fault(job, _for_ledger(address), [_for_ledger(address)], fault)
        else:
            found = _harvest_address(job, url, stretches, depth)
            if job.n_left is not None:
                job.n_left -= found["new_sources"]
        counts += found
    return counts


def _source_row(info: dict[str, Any]) -> catalog.Row:
    """The `source` row of one recording's metadata. Raises Fault if its address is none."""
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

    written = catalog.row(
        connection, "upsert_source", **{**source, "info": Jsonb(source["info"]), "aim": Jsonb(source["aim"])}
    )
    return bool(written and written["is_new"])


def _insert_clips(connection: "Connection[catalog.Row]", source: catalog.Row, stretch: ids.Stretch) -> Counter[str]:
    """Candidates of one stretch of a source.

    Without times the source is cut by rule, once, if its length is known; else it is marked to be cut when decoded.
    """
    source_id, duration_s = source["source_id"], source["duration_s"]
    if stretch.window_ms is not None:
        return Counter(new_clips=insert_clips(connection, source_id, [stretch.window_ms]))
    if duration_s is None:
        return Counter(to_cut=catalog.run(connection, "mark_source_to_cut", source_id=source_id))
    if not catalog.run(connection, "mark_source_cut", source_id=source_id):
        return Counter()
    windows = cut_windows(duration_s)
    if not windows:
        refusal = f"only {duration_s:.2f} s long"
        catalog.run(connection, "put_off_source", source_id=source_id, refusal=refusal, retry_at=None)
    return Counter(new_clips=insert_clips(connection, source_id, windows))


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
