"""Candidates → ready clips: each source is downloaded once, decoded once, and cut into its clips.

A worker holds a source by a row lock for as long as it works on it: one that is killed lets go of it at once,
and what it had not finished is due again.
"""

import logging
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import audio, catalog, faults, ledger, politeness, settings, store, ytdlp
from include.faults import Fault
from include.harvest import cut_windows, insert_clips

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psycopg import Connection

log = logging.getLogger(__name__)


def plan_batches(
    limit: int | None = None, batch_size: int = 20, dry_run: bool = False, retry: str | None = None
) -> list[list[str]]:
    """Ids of the sources with clips that are due, oldest first, in batches for parallel work.

    `retry` leaves out what was never tried: `due` takes whatever failed and is due again, a class of fault takes all
    that ended in it, due or not. Raises ValueError if it is neither.
    `limit` is a number of sources. At most 1,000 batches: Airflow maps no task over more than 1,024. With `dry_run`
    the sources are logged, and there is no batch.
    """
    with catalog.connect() as connection:
        due = [row["source_id"] for row in _due_sources(connection, limit, retry)]
        if dry_run:
            connection.rollback()
    batch_size = max(batch_size, -(-len(due) // 1000))
    batches = [due[first : first + batch_size] for first in range(0, len(due), batch_size)]
    log.info("%d sources have clips to transcode, in %d batches", len(due), len(batches))
    if dry_run:
        log.info("dry run; due are: %s", ", ".join(due) or "none")
        return []
    return batches


def _due_sources(connection: "Connection[catalog.Row]", limit: int | None, retry: str | None) -> list[catalog.Row]:
    """Sources to transcode; see plan_batches()."""
    if retry is not None:
        ledger.check_retry(retry)
    if retry in (None, faults.DUE):
        return catalog.rows(connection, "select_due_sources", limit=limit, only_retries=retry is not None)
    return catalog.rows(connection, "reopen_clips", fault_class=retry, limit=limit)


def transcode_batch(source_ids: Sequence[str]) -> dict[str, int]:
    """Transcode all due clips of some sources.

    Returns counts of clips by what became of them (`ready`, `rejected`, `failed`, `gone`), `refused_sources`
    (uncut ones without usable audio) and `busy_sources` (in another worker's hands, or made by it meanwhile).
    """
    counts: Counter[str] = Counter()
    started_at = time.monotonic()
    for n_done, source_id in enumerate(source_ids, 1):
        counts += _transcode_source(source_id)
        rate = n_done / (time.monotonic() - started_at)
        log.info("%d of %d sources (%.1f a second): %s", n_done, len(source_ids), rate, dict(counts))
    return dict(counts)


def _transcode_source(source_id: str) -> Counter[str]:
    """Transcode all due clips of one source, under its row lock; one transaction."""
    with catalog.connect() as connection:
        is_held = catalog.row(connection, "lock_source", source_id=source_id) is not None
        source = catalog.row(connection, "select_due_source", source_id=source_id) if is_held else None
        if source is None:
            return Counter(busy_sources=1)
        with tempfile.TemporaryDirectory(prefix="open-empathic-") as folder:
            try:
                with catalog.connect() as pacing:
                    politeness.wait_turn(pacing, source["url"], "download")
                pcm = audio.decode(ytdlp.download(source["url"], Path(folder)))
            except politeness.SiteClosed as closed:
                log.info("%s: waits until %s: %s", source_id, closed.until, closed)
                return Counter(waiting_sources=1)
            except Fault as fault:
                log.warning("%s: %s: %s", source_id, fault.fault_class, fault)
                if fault.fault_class == "quota":
                    politeness.open_breaker(connection, source["url"], str(fault))
                return _put_off(connection, source, fault)
            except audio.Undecodable as error:
                log.warning("%s: rejected: %s", source_id, error)
                _record(connection, source, Fault("broken", str(error)))
                return _refuse(connection, source, str(error))
            counts = _cut_clips(connection, source, pcm)
        _record(connection, source, None)
    return counts


def _cut_clips(connection: "Connection[catalog.Row]", source: catalog.Row, pcm: "NDArray[np.int16]") -> Counter[str]:
    """Cut, encode and store the due clips of a decoded source; counts by state."""
    source_id = source["source_id"]
    decoded_s = len(pcm) / settings.current().sample_rate_hz
    catalog.run(connection, "update_source_duration", source_id=source_id, duration_s=decoded_s)
    if source["is_to_cut"]:
        catalog.run(connection, "mark_source_cut", source_id=source_id)
        insert_clips(connection, source_id, cut_windows(decoded_s))
    counts: Counter[str] = Counter()
    for clip in catalog.rows(connection, "select_due_clips", source_id=source_id):
        counts[_finish_clip(connection, clip, pcm)] += 1
    if not counts and source["is_to_cut"]:
        counts += _refuse(connection, source, f"only {decoded_s:.2f} s long")
    return counts


def _finish_clip(connection: "Connection[catalog.Row]", clip: catalog.Row, pcm: "NDArray[np.int16]") -> str:
    """Make one clip ready, or reject it; its new state."""
    from psycopg.types.json import Jsonb

    clip_id = clip["clip_id"]
    try:
        samples = audio.cut(pcm, clip["start_ms"], clip["end_ms"])
        measures = audio.measure(samples)
        if measures["peak_dbfs"] is None:
            raise audio.Undecodable("digital silence")
    except audio.Undecodable as error:
        log.warning("%s: rejected: %s", clip_id, error)
        catalog.run(connection, "reject_clip", clip_id=clip_id, reason=str(error))
        return "rejected"
    flac = audio.encode_flac(samples)
    rate_hz = settings.current().sample_rate_hz
    catalog.run(
        connection,
        "make_clip_ready",
        clip_id=clip_id,
        audio_sha256=store.put_audio(flac),
        audio_bytes=len(flac),
        sample_rate_hz=rate_hz,
        duration_s=len(samples) / rate_hz,
        measures=Jsonb(measures),
    )
    return "ready"


def _put_off(connection: "Connection[catalog.Row]", source: catalog.Row, fault: Fault) -> Counter[str]:
    """Note that a source could not be had: for good, or until a later try. Counts of its clips by state."""
    retry_at = _record(connection, source, fault)
    if fault.is_final and fault.fault_class != "gone":
        return _refuse(connection, source, f"{fault.fault_class}: {fault}")
    state = "gone" if fault.is_final else "failed"
    n_clips = catalog.run(
        connection,
        "fail_clips",
        source_id=source["source_id"],
        state=state,
        reason=f"{fault.fault_class}: {fault}",
        retry_at=retry_at,
    )
    catalog.run(
        connection,
        "put_off_source",
        source_id=source["source_id"],
        refusal=f"gone: {fault}" if fault.is_final else None,
        retry_at=retry_at,
    )
    return Counter({state: n_clips}) if n_clips else Counter({f"{state}_sources": 1})


def _refuse(connection: "Connection[catalog.Row]", source: catalog.Row, reason: str) -> Counter[str]:
    """Reject all due clips of a source that gives none; counts."""
    n_clips = catalog.run(connection, "reject_due_clips", source_id=source["source_id"], reason=reason)
    catalog.run(connection, "put_off_source", source_id=source["source_id"], refusal=reason, retry_at=None)
    return Counter(rejected=n_clips) if n_clips else Counter(refused_sources=1)


def _record(connection: "Connection[catalog.Row]", source: catalog.Row, fault: Fault | None) -> Any:
    """Write a try into the ledger; when the next one is due, None for never."""
    return ledger.record(connection, "transcode", source["url"], fault, source_ids=[source["source_id"]])
