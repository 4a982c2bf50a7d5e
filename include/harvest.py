"""Addresses → `source` rows and candidate clips, through yt-dlp's metadata.

What was learned of each address goes into the ledger, so that a known one costs nothing and a dead one is not
asked again.
"""

import contextlib
import logging
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from include import catalog, ids, ledger, personal, politeness, selection, settings, sources, suggestions, ytdlp
from include.faults import Fault
from include.sources import Filters

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

MAX_LIST_DEPTH = 3  # a channel lists its playlists, a playlist its videos
MAX_DURATION_S = 1e6
END_SLACK_S = 0.5  # a page announces a length that is a little off
MAX_LISTED = 5000  # entries of one channel or feed that one run looks at

# What of yt-dlp's metadata is kept in `source.info`; the rest is large, short-lived or nobody's business.
INFO_FIELDS = (
    "id", "extractor_key", "title", "description", "uploader", "uploader_id", "channel", "channel_id",
    "duration", "license", "language", "upload_date", "age_limit", "live_status", "availability", "categories",
    "tags", "view_count", "webpage_url",
)  # fmt: skip


@dataclass
class _Job:
    """What all addresses of a batch share."""

    connection: "Connection[catalog.Row]"
    is_dry_run: bool
    is_retry: bool
    aim: dict[str, list[str]]
    n_left: int | None  # new sources that may still be listed
    filters: Filters
    reader: ytdlp.Reader


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
    and `to_cut` when they are decoded. With `dry_run` metadata is read and nothing is written.
    """
    counts: Counter[str] = Counter()
    stretches: dict[str, list[ids.Stretch]] = defaultdict(list)
    with (
        catalog.connect() as connection,
        ytdlp.Reader(partial(politeness.wait_turn, connection), MAX_LISTED) as reader,
    ):
        job = _Job(connection, dry_run, is_retry, aim or {}, budget, sources.read().filters, reader)
        for address in urls:
            try:
                stretch = _parse(address)
            except Fault as fault:
                counts += _take_fault(job, ids.printable(address), [ids.printable(address)], fault)
            else:
                stretches[stretch.url].append(stretch)
        for n_done, (url, wanted) in enumerate(stretches.items(), 1):
            counts += _harvest_address(job, url, wanted)
            log.info("%d of %d addresses: %s", n_done, len(stretches), dict(counts))
        if not dry_run:
            suggestions.settle(connection)
    return dict(counts)


def _parse(address: str) -> ids.Stretch:
    """What an address means. Raises Fault if it means nothing, or a stretch that can be no clip."""
    if not _is_web(address):
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
            _refuse_unread(job.connection, url, state, reason)
        job.connection.commit()
    return Counter({fault.fault_class: 1})


def _refuse_unread(connection: "Connection[catalog.Row]", url: str, state: str, reason: str) -> None:
    """End the clips of a source that was named by this address before its metadata was read, if there is one."""
    with contextlib.suppress(ValueError):  # what is no address names no source
        catalog.run(connection, "refuse_unread_source", source_id=ids.source_id(url), state=state, reason=reason)


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
    known = catalog.rows(connection, "select_sources_at", url=url)
    unread = catalog.row(connection, "select_unread_source", source_id=ids.source_id(url)) if _is_web(url) else None
    connection.commit()
    counts: Counter[str] = Counter()
    if known and unread is None:
        counts["known_sources"] += len(known)
        for source in known:
            counts += _insert_stretches(job, source, stretches)
        return counts
    politeness.check_open(connection, url)
    recordings, listed = ytdlp.extract(url, job.reader)
    counts += _harvest_list(job, listed, stretches, depth + 1)
    named = unread if len(recordings) == 1 and not listed else None
    taken = []
    for info in recordings:
        row = {**_source_row(info, named), "aim": job.aim}
        refusal = ytdlp.LIVE if ytdlp.is_live(info) else selection.refusal(row, job.filters)
        if refusal is None:
            taken.append({**row, "captions": info.get("captions")})
        elif row["url"] == url:
            raise Fault("refused", refusal)
        else:
            counts += _take_fault(job, row["url"], [row["url"]], Fault("refused", refusal))
    if job.is_dry_run:
        counts["new_sources"] += len(taken)
        return counts
    with connection.transaction():
        for source in taken:
            counts["new_sources" if _upsert_source(connection, source) else "known_sources"] += 1
            counts += _insert_stretches(job, source, stretches)
        if unread is not None and named is None:
            _refuse_unread(
                connection, url, "rejected", f"refused: {len(recordings) + len(listed)} recordings are there"
            )
        ledger.record(connection, "harvest", url, source_ids=[source["source_id"] for source in taken])
        politeness.close_breaker(connection, url)
    return counts


def _insert_stretches(job: _Job, source: catalog.Row, stretches: list[ids.Stretch]) -> Counter[str]:
    """Candidates of what was asked of a source; what lies past its end is refused."""
    counts: Counter[str] = Counter()
    if job.is_dry_run:
        return counts
    for stretch in stretches:
        window_ms, duration_s = stretch.window_ms, source["duration_s"]
        if window_ms is not None and duration_s is not None and window_ms[1] > (duration_s + END_SLACK_S) * 1000:
            reason = f"the clip ends at {window_ms[1] / 1000:g} s, past the end at {duration_s:.2f} s"
            given = stretch.address_at(source["url"])
            if ledger.known_refusal(job.connection, given) is None:
                ledger.record(job.connection, "harvest", given, Fault("refused", reason), given=[given])
                catalog.run(job.connection, "reject_clip", reason=reason,
                            clip_id=ids.clip_id(source["source_id"], *window_ms))  # fmt: skip
            counts["refused"] += 1
        else:
            counts += _insert_clips(job.connection, source, stretch)
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
            found = _take_fault(job, ids.printable(address), [ids.printable(address)], fault)
        else:
            found = _harvest_address(job, url, stretches, depth)
            if job.n_left is not None:
                job.n_left -= found["new_sources"]
        counts += found
    return counts


def _is_web(url: str) -> bool:
    """Whether this is an address and not a search."""
    return not re.fullmatch(ytdlp.SEARCH, url)


def _source_row(info: dict[str, Any], named: catalog.Row | None = None) -> catalog.Row:
    """The `source` row of one recording's metadata. Raises Fault if its address is none.

    `named`: what the catalog has of it already, whose id and address stay, as clips hang on them.
    """
    info = _clean(info)
    url = named["url"] if named else _parse(info["webpage_url"]).url
    extractor = str(info.get("extractor_key") or "generic")
    source_id = named["source_id"] if named else ids.source_id(url, extractor, str(info.get("id") or ""))
    channel = _first_text(info, "channel_id", "uploader_id", "channel", "uploader")
    title = _first_text(info, "title")
    return {
        "source_id": source_id,
        "url": url,
        # Releases carry it; `info` keeps it as it was.
        "title": None if title and personal.is_personal(title) else title,
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
    """Write a source's row, and its captions; whether it is a new one."""
    from psycopg.types.json import Jsonb

    captions = source["captions"]
    columns = {name: value for name, value in source.items() if name != "captions"}
    written = catalog.row(
        connection, "upsert_source", **{**columns, "info": Jsonb(source["info"]), "aim": Jsonb(source["aim"])}
    )
    assert written is not None
    source_id, group, before = source["source_id"], written["speaker_group"], written["speaker_group_before"]
    if written["was_unread"]:
        catalog.run(connection, "reopen_unread_clips", source_id=source_id, refusal=written["refusal_before"])
    if before not in (None, group):
        catalog.run(connection, "reject_divided_clips", source_id=source_id, was_in=before, is_in=group)
    if captions:
        kept = {**captions, "lines": Jsonb(captions["lines"])}
        catalog.run(connection, "upsert_caption", source_id=source_id, **kept)
    return bool(written["is_new"])


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
