"""Candidates → ready clips: each source is downloaded once, decoded once, and cut into its clips.

A worker holds a source by a row lock for as long as it works on it: one that is killed lets go of it at once,
and what it had not finished is due again.
"""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include import (
    audio,
    catalog,
    faults,
    fingerprint,
    ledger,
    leftovers,
    measures,
    politeness,
    settings,
    speech,
    store,
    workfolder,
    ytdlp,
)
from include.faults import Fault
from include.harvest import cut_windows, insert_clips

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

UNKNOWN_S = 600.0  # what a source of unknown length counts as in a plan
LEAST_S = 3600.0  # of audio in a batch, where there is as much
MAX_BATCHES = 1000  # Airflow maps no task over more than 1,024
TOGETHER = 32  # clips that are encoded, and kept in memory, before they are stored


@dataclass(frozen=True)
class Cut:
    """A clip that was found good: where its audio lies, and its measures before the gain."""

    clip_id: str
    start_ms: int
    end_ms: int
    n_samples: int
    measures: dict[str, Any]


def plan_batches(
    limit: int | None = None, batch_minutes: float = 300, dry_run: bool = False, retry: str | None = None
) -> list[list[str]]:
    """Ids of the sources with clips that are due, oldest first, in batches of at most about `batch_minutes` of audio.

    Where there is less, each worker gets a batch, but none of under an hour: a task costs some seconds by itself.

    `retry` leaves out what was never tried: `due` takes whatever failed and is due again, a class of fault takes all
    that ended in it, due or not. Raises ValueError if it is neither.
    `limit` is a number of sources. At most 1,000 batches, which grow for it. With `dry_run` the sources are logged,
    and there is no batch. Clears away what killed workers left.
    """
    if not dry_run:
        workfolder.clear_abandoned()
        leftovers.clear()
    with catalog.connect() as connection:
        due = _due_sources(connection, limit, retry)
        if dry_run:
            connection.rollback()
    lengths_s = {row["source_id"]: row["duration_s"] or UNKNOWN_S for row in due}
    total_s = sum(lengths_s.values())
    batch_s = min(batch_minutes * 60, max(total_s / settings.current().transcode_slots, LEAST_S))
    batches = _batches(lengths_s, max(batch_s, total_s / MAX_BATCHES))
    log.info("%d sources, %.1f h of audio, to transcode in %d batches", len(due), total_s / 3600, len(batches))
    if dry_run:
        log.info("dry run; due are: %s", ", ".join(lengths_s) or "none")
        return []
    return batches


def _batches(lengths_s: dict[str, float], batch_s: float) -> list[list[str]]:
    """Sources in their order, divided wherever another `batch_s` of audio is full: never more than total / batch_s + 1.

    A source longer than a batch is one with what came before it.
    """
    batches: dict[int, list[str]] = {}
    begun_s = 0.0
    for source_id, length_s in lengths_s.items():
        batches.setdefault(min(int(begun_s / batch_s), MAX_BATCHES - 1), []).append(source_id)
        begun_s += length_s
    return list(batches.values())


def _due_sources(connection: "Connection[catalog.Row]", limit: int | None, retry: str | None) -> list[catalog.Row]:
    """Sources to transcode; see plan_batches()."""
    if retry is not None:
        ledger.check_retry(retry)
    if retry in (None, faults.DUE):
        return catalog.rows(connection, "select_due_sources", limit=limit, only_retries=retry is not None)
    return catalog.rows(connection, "reopen_clips", fault_class=retry, limit=limit)


def transcode_batch(source_ids: Sequence[str]) -> dict[str, int]:
    """Transcode all due clips of some sources; the log tells how far it is, how fast, and how long it will take.

    Returns counts of clips by what became of them (`ready`, `rejected`, `failed`, `gone`), `refused_sources`
    (uncut ones without usable audio) and `busy_sources` (in another worker's hands, or made by it meanwhile).
    """
    workfolder.clear_abandoned()  # of this machine, which need not be the one that planned
    counts: Counter[str] = Counter()
    started_at, decoded_s = time.monotonic(), 0.0
    with catalog.connect() as connection:
        found = catalog.row(connection, "sum_source_durations", source_ids=list(source_ids), unknown_s=UNKNOWN_S)
    announced_s = float(found["audio_s"]) if found else 0.0
    for n_done, source_id in enumerate(source_ids, 1):
        outcome, source_s = _transcode_source(source_id)
        counts += outcome
        decoded_s += source_s
        elapsed_s = time.monotonic() - started_at
        # By audio where some was decoded, by sources where none was.
        share = max(min(decoded_s / max(announced_s, decoded_s, 1), 1.0), n_done / len(source_ids))
        left = timedelta(seconds=round(elapsed_s * (1 / share - 1)))
        log.info(
            "%d of %d sources, %d clips, %.2f of about %.2f h, %.0f × real time, %s left: %s",
            *(n_done, len(source_ids), counts["ready"], decoded_s / 3600, max(announced_s, decoded_s) / 3600),
            *(decoded_s / elapsed_s, left, dict(counts)),
        )
    return dict(counts)


def _transcode_source(source_id: str) -> tuple[Counter[str], float]:
    """Transcode all due clips of one source, under its row lock, in one transaction; counts, and seconds decoded."""
    with catalog.connect() as connection:
        is_held = catalog.row(connection, "lock_source", source_id=source_id) is not None
        source = catalog.row(connection, "select_due_source", source_id=source_id) if is_held else None
        if source is None:
            return Counter(busy_sources=1), 0.0
        with workfolder.folder() as folder:
            try:
                with catalog.connect() as pacing:
                    politeness.wait_turn(pacing, source["url"], "download")
                recording = audio.decode(ytdlp.download(source["url"], folder))
            except politeness.SiteClosed as closed:
                log.info("%s: waits until %s: %s", source_id, closed.until, closed)
                return Counter(waiting_sources=1), 0.0
            except Fault as fault:
                log.warning("%s: %s: %s", source_id, fault.fault_class, fault)
                if fault.fault_class == "quota":
                    politeness.open_breaker(connection, source["url"], str(fault))
                return _put_off(connection, source, fault), 0.0
            except audio.Undecodable as error:
                log.warning("%s: rejected: %s", source_id, error)
                _record(connection, source, Fault("broken", str(error)))
                return _refuse(connection, source, str(error)), 0.0
            return _take(connection, source, recording), recording.duration_s


def _take(connection: "Connection[catalog.Row]", source: catalog.Row, recording: audio.Recording) -> Counter[str]:
    """Make the clips of a decoded source, unless it is another's copy; a copy of it loses its own. Counts by state."""
    source_id = source["source_id"]
    alike = fingerprint.claim(source_id, recording.fingerprint)
    first = next((other.source_id for other in alike if other.has_right), None)
    copies = [] if first else [other.source_id for other in alike]
    if not all(catalog.row(connection, "lock_source", source_id=copy) for copy in copies):
        log.info("%s: left to the next run: a copy of it is in another worker's hands", source_id)
        return Counter(busy_sources=1)
    if recording.warning:
        log.warning("%s: %s", source_id, recording.warning)
    _record(connection, source, note=recording.warning)
    if first:
        log.warning("%s: rejected: the same recording as %s", source_id, first)
        return _refuse(connection, source, f"duplicate_of: {first}")
    counts = _make_clips(connection, source, recording)
    if counts["ready"]:
        for copy in copies:
            log.warning("%s: rejected: the same recording as %s, which was known earlier", copy, source_id)
            reason = f"duplicate_of: {source_id}"
            counts["rejected"] += catalog.run(connection, "displace_clips", source_id=copy, reason=reason)
            catalog.run(connection, "put_off_source", source_id=copy, refusal=reason, retry_at=None)
    return counts


def _make_clips(connection: "Connection[catalog.Row]", source: catalog.Row, recording: audio.Recording) -> Counter[str]:
    """Cut, measure, level, encode and store the due clips of a decoded source; counts by state."""
    source_id = source["source_id"]
    catalog.run(connection, "update_source_duration", source_id=source_id, duration_s=recording.duration_s)
    spoken = recording.track.speech()
    if source["is_to_cut"]:
        catalog.run(connection, "mark_source_cut", source_id=source_id)
        insert_clips(connection, source_id, _windows(recording))
    counts: Counter[str] = Counter()
    taken = catalog.rows(connection, "select_ready_spans", source_id=source_id)
    cuts = []
    for clip in catalog.rows(connection, "select_due_clips", source_id=source_id):
        try:
            cuts.append(_cut(clip, recording, spoken, taken))
        except audio.Undecodable as error:
            counts += _reject(connection, clip["clip_id"], str(error))
    highest_peak = max((10 ** (cut.measures["true_peak_dbtp"] / 20) for cut in cuts), default=0.0)
    gain_db = audio.source_gain_db(recording, highest_peak) if cuts else 0.0
    for first in range(0, len(cuts), TOGETHER):
        counts += _finish_clips(connection, source_id, cuts[first : first + TOGETHER], recording, gain_db)
    if not counts and source["is_to_cut"]:
        is_short = recording.duration_s < settings.current().clip_min_s
        reason = f"only {recording.duration_s:.2f} s long" if is_short else "nobody speaks: speech_share 0"
        counts += _refuse(connection, source, reason)
    return counts


def _windows(recording: audio.Recording) -> list[tuple[int, int]]:
    """Where a source without given times is cut, (start_ms, end_ms): at pauses; by rule where nobody needs to speak."""
    current = settings.current()
    if recording.duration_s < current.clip_min_s:
        return []
    spans = speech.utterances(recording.track, recording.duration_s)
    if not spans and current.min_speech_share == 0:
        return cut_windows(recording.duration_s)
    return [(round(start * 1000), int(end * 1000)) for start, end in spans]


def _cut(clip: catalog.Row, recording: audio.Recording, spoken: list[speech.Span], taken: list[catalog.Row]) -> Cut:
    """Find a clip's edges and measure it; its place is added to `taken`. Raises Undecodable if it is not wanted."""
    recording.read(clip["start_ms"], clip["end_ms"])  # what was asked for is there at all
    start_s, end_s = speech.settle(clip["start_ms"] / 1000, clip["end_ms"] / 1000, spoken, recording.duration_s)
    start_ms, end_ms = round(start_s * 1000), min(round(end_s * 1000), round(start_s * 1000) + 30_000)
    other = next((row for row in taken if _overlap(row, start_ms, end_ms) > 0.5), None)
    if other is not None:
        raise audio.Undecodable(f"duplicate_of: {other['clip_id']}, more than half of the shorter one is the same")
    samples = recording.read(start_ms, end_ms)
    found = measures.measure(samples, recording, start_ms / 1000, spoken)
    refusal = measures.refusal(found)
    if refusal is not None:
        raise audio.Undecodable(refusal)
    taken.append({"clip_id": clip["clip_id"], "audio_start_ms": start_ms, "audio_end_ms": end_ms})
    return Cut(clip["clip_id"], start_ms, end_ms, len(samples), found)


def _overlap(row: catalog.Row, start_ms: int, end_ms: int) -> float:
    """Share of the shorter one that two clips have in common."""
    common_ms = min(row["audio_end_ms"], end_ms) - max(row["audio_start_ms"], start_ms)
    return float(max(common_ms, 0) / min(row["audio_end_ms"] - row["audio_start_ms"], end_ms - start_ms))


def _finish_clips(
    connection: "Connection[catalog.Row]", source_id: str, cuts: list[Cut], recording: audio.Recording, gain_db: float
) -> Counter[str]:
    """Encode and store some clips of a source and make them ready; counts by state."""
    flacs = [audio.encode_flac(audio.to_pcm(recording.read(cut.start_ms, cut.end_ms), gain_db)) for cut in cuts]
    leftovers.begin(source_id, [hashlib.sha256(flac).hexdigest() for flac in flacs])
    counts: Counter[str] = Counter()
    for cut, flac in zip(cuts, flacs, strict=True):
        counts += _store_clip(connection, cut, flac, recording.rate_hz, gain_db)
    leftovers.finish(connection, source_id)
    return counts


def _store_clip(
    connection: "Connection[catalog.Row]", cut: Cut, flac: bytes, rate_hz: int, gain_db: float
) -> Counter[str]:
    """Store one clip and make it ready, or reject it if its very audio is there already."""
    from psycopg.types.json import Jsonb

    sha256 = hashlib.sha256(flac).hexdigest()
    catalog.row(connection, "lock_audio", audio_sha256=sha256)
    same = catalog.row(connection, "select_same_audio", audio_sha256=sha256, clip_id=cut.clip_id)
    if same is not None:
        return _reject(connection, cut.clip_id, f"duplicate_of: {same['clip_id']}, the same audio")
    catalog.run(
        connection,
        "make_clip_ready",
        clip_id=cut.clip_id,
        audio_sha256=store.put_audio(flac),
        audio_bytes=len(flac),
        sample_rate_hz=rate_hz,
        duration_s=cut.n_samples / rate_hz,
        audio_start_ms=cut.start_ms,
        audio_end_ms=cut.end_ms,
        measures=Jsonb(measures.with_gain(cut.measures, gain_db)),
    )
    return Counter(ready=1)


def _reject(connection: "Connection[catalog.Row]", clip_id: str, reason: str) -> Counter[str]:
    log.warning("%s: rejected: %s", clip_id, reason)
    catalog.run(connection, "reject_clip", clip_id=clip_id, reason=reason)
    return Counter(rejected=1)


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


def _record(
    connection: "Connection[catalog.Row]", source: catalog.Row, fault: Fault | None = None, note: str | None = None
) -> Any:
    """Write a try into the ledger; when the next one is due, None for never."""
    return ledger.record(connection, "transcode", source["url"], fault, source_ids=[source["source_id"]], note=note)
