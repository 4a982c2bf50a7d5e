"""What a run harvests: addresses given by hand, what failed and is due, or what sources.yaml says."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include import clip_list, coverage, faults, ids, ledger, politeness, settings, sources, suggestions

log = logging.getLogger(__name__)

MAX_BATCHES = 900  # Airflow maps no task over more than 1,024; the rest is for lists


def plan_batches(
    urls: Sequence[str] | None = None,
    limit: int | None = None,
    batch_size: int = 20,
    dry_run: bool = False,
    retry: str | None = None,
    manifest_path: str | None = None,
) -> list[dict[str, Any]]:
    """Arguments of harvest_batch() for parallel work: addresses, those of one recording together.

    With `retry` only addresses that failed: `due` those whose next try has come, a class of fault all that ended in
    it. With `manifest_path` that CSV is taken in, and the first of its sources are read. Without any of these:
    whatever `sources.yaml` names, and all that is due. `limit` is a number of recordings.

    Raises ValueError (SourcesError) if `retry`, the manifest or the file is not of its form.
    """
    if retry is not None:
        return batches_of(ledger.addresses_to_retry(retry, limit), limit, batch_size, dry_run, is_retry=True)
    if urls:
        return batches_of(urls, limit, batch_size, dry_run)
    configured = sources.read()
    budget = limit or configured.new_sources_per_run
    if manifest_path:
        import_manifest(Path(manifest_path), dry_run)
        return plan_unread(budget, batch_size, dry_run)
    return _plan_configured(configured, limit, budget, batch_size, dry_run)


def plan_unread(limit: int | None = None, batch_size: int = 20, dry_run: bool = False) -> list[dict[str, Any]]:
    """Batches of `limit` sources that are known from a manifest only; without it, as many as a run's budget."""
    budget = limit or sources.read().new_sources_per_run
    return batches_of(clip_list.unread_addresses(budget), None, batch_size, dry_run)


def _plan_configured(
    configured: sources.Sources, limit: int | None, budget: int, batch_size: int, dry_run: bool
) -> list[dict[str, Any]]:
    """Everything that sources.yaml names, and what is due."""
    addresses = list(configured.urls)
    for entry in configured.entries:
        match entry:
            case sources.Urls():
                addresses += entry.urls
            case sources.Manifest():
                import_manifest(sources.SOURCES.parent / entry.path, dry_run)
            case sources.Suggestions():
                addresses += suggestions.take_open(budget, is_dry_run=dry_run)
    addresses += ledger.addresses_to_retry(faults.DUE, limit)
    addresses += clip_list.unread_addresses(budget)
    batches = batches_of(addresses, limit, batch_size, dry_run)
    if limit is not None:
        budget = max(0, limit - len({ids.recording_url(url) for batch in batches for url in batch["urls"]}))
    return batches + _listing_batches(configured, budget, dry_run)


def _listing_batches(configured: sources.Sources, budget: int, dry_run: bool) -> list[dict[str, Any]]:
    """A batch for each search, channel, playlist and feed that gets a share of the budget."""
    entries = [entry for entry in configured.entries if isinstance(entry, sources.Search | sources.Listing)]
    shares = coverage.share_out(entries, configured.quotas, budget) if entries else []
    return [
        {"urls": [entry.address], "dry_run": dry_run, "aim": entry.aim, "budget": share}
        for entry, share in zip(entries, shares, strict=True)
        if share
    ]


def of_site(batches: list[dict[str, Any]], site: str | None) -> list[dict[str, Any]]:
    """Those batches that ask one site, which has an Airflow pool of its own; None: those of sites that have none."""
    return [batch for batch in batches if _pooled(batch["urls"][0]) == site]


def _pooled(url: str) -> str | None:
    """The site of an address, if it has a pool of its own."""
    site = politeness.site(url)
    return site if site in settings.current().harvest_sites else None


def import_manifest(path: Path, dry_run: bool = False) -> dict[str, int]:
    """Take in a manifest; its counts. Raises ValueError if the file can't be read."""
    try:
        return clip_list.import_file(path, is_dry_run=dry_run)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"manifest {path.name}: {error}") from error


def batches_of(
    addresses: Sequence[str], limit: int | None, batch_size: int, dry_run: bool, *, is_retry: bool = False
) -> list[dict[str, Any]]:
    """Addresses in batches, those of one recording together; at most MAX_BATCHES."""
    by_recording: dict[str, list[str]] = defaultdict(list)
    for address in dict.fromkeys(addresses):
        by_recording[ids.recording_url(address)].append(address)
    recordings = list(by_recording.values())[:limit]
    batch_size = max(batch_size, -(-len(recordings) // MAX_BATCHES))
    by_site: dict[str | None, list[list[str]]] = defaultdict(list)
    for given in recordings:
        by_site[_pooled(given[0])].append(given)
    batches = [
        ones[first : first + batch_size] for ones in by_site.values() for first in range(0, len(ones), batch_size)
    ]
    log.info("%d recordings to harvest, in %d batches", len(recordings), len(batches))
    shared = {"dry_run": dry_run, **({"is_retry": True} if is_retry else {})}
    return [{"urls": [url for recording in batch for url in recording], **shared} for batch in batches]
