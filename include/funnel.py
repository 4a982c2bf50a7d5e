"""What the catalog holds, for people: the funnel, the releases, one clip, why things were refused. Reads only."""

import logging
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any

from include import catalog

log = logging.getLogger(__name__)


def summarize(*results: Iterable[dict[str, int]] | None) -> dict[str, int]:
    """Add up what a run's batches counted, and log it and where the funnel now stands.

    A mapped task that had nothing to do gives None.
    """
    counts: Counter[str] = Counter()
    for result in chain.from_iterable(batch or () for batch in results):
        counts.update(result)
    log.info("this run: %s", ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "nothing was due")
    log.info("the catalog: %s", ", ".join(f"{n} {name}" for name, n in read()["funnel"].items()))
    return dict(counts)


def read() -> dict[str, Any]:
    """The funnel and the releases: counts from sources to released clips, then each release's figures."""
    with catalog.connect() as connection:
        return {
            "funnel": catalog.row(connection, "count_funnel"),
            "clips": {row["state"]: row["n_clips"] for row in catalog.rows(connection, "count_clip_states")},
            "annotations": catalog.row(connection, "count_annotations"),
            "releases": catalog.rows(connection, "select_releases"),
        }


def refusals() -> list[catalog.Row]:
    """Every input that was refused or waits for another try: `what`, `id`, `outcome`, `reason`, `retry_at`."""
    with catalog.connect() as connection:
        return catalog.rows(connection, "select_refusals")


def newest_refusals(limit: int) -> list[catalog.Row]:
    """The newest `limit` of the refusals, newest first; each with `refused_at` besides."""
    with catalog.connect() as connection:
        return catalog.rows(connection, "select_newest_refusals", limit=limit)


def rejects(file: str | None, limit: int) -> list[catalog.Row]:
    """Rejected annotation rows, to be mended: `file`, `line`, `reason`, `raw` as it stood, `rejected_at`."""
    with catalog.connect() as connection:
        return catalog.rows(connection, "select_rejects", file=file, limit=limit)


def clip(clip_id: str) -> dict[str, Any] | None:
    """Everything known of a clip: its row, source, label, annotations, tries and releases. None if unknown."""
    with catalog.connect() as connection:
        known = catalog.row(connection, "select_clip", clip_id=clip_id)
        if known is None:
            return None
        return {
            **known,
            "annotations": catalog.rows(connection, "select_clip_annotations", clip_id=clip_id),
            "attempts": catalog.rows(connection, "select_source_attempts", source_id=known["source_id"]),
            "releases": catalog.rows(connection, "select_releases_of_clip", clip_id=clip_id),
        }
