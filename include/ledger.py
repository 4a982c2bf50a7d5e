"""The ledger: each try of each stage, and the newest word on each address."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from include import catalog, faults, settings
from include.faults import Fault

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg import Connection


def record(
    connection: "Connection[catalog.Row]",
    stage: str,
    url: str,
    fault: Fault | None = None,
    *,
    source_ids: Sequence[str] = (),
    given: Sequence[str] = (),
    note: str | None = None,
) -> Any:
    """Write a try that went well or ended in `fault`; when the next one is due, None for never.

    `given`: what was asked of the address, with its times, to be asked again at the next try. `note`: what a person
    should know of a try that went well.
    """
    current = settings.current()
    written = catalog.row(
        connection,
        "insert_attempt",
        stage=stage,
        url=url,
        source_ids=list(source_ids),
        clip_id=None,
        outcome="ok" if fault is None else fault.fault_class,
        message=note if fault is None else str(fault),
        tool_version=faults.tool_version(),
        given=list(given),
        retry_after_s=None if fault is None or fault.is_final else current.retry_after_s,
        retry_cap_s=current.retry_cap_s,
    )
    return written and written["next_try_at"]


def known_refusal(connection: "Connection[catalog.Row]", url: str) -> catalog.Row | None:
    """The newest word on an address that is not to be asked again, or not yet; None if it may be asked."""
    known = catalog.row(connection, "select_known_url", url=url, tool_version=faults.tool_version())
    return None if known is None or known["outcome"] in ("ok", "waiting") or known["is_due"] else known


def keep_for_later(
    connection: "Connection[catalog.Row]", url: str, given: Sequence[str], until: "datetime | None", why: str
) -> None:
    """Keep what is asked of an address that can't be asked now, so that its next try asks it."""
    catalog.run(connection, "add_wanted", url=url, given=list(given), next_try_at=until, message=why)


def addresses_to_retry(retry: str, limit: int | None = None) -> list[str]:
    """Addresses as they were given, of one class of fault, or (`due`) of all that are due.

    `limit` is a number of recordings. Raises ValueError if `retry` is neither.
    """
    check_retry(retry)
    fault_class = None if retry == faults.DUE else retry
    with catalog.connect() as connection:
        found = catalog.rows(
            connection,
            "select_addresses_to_retry",
            fault_class=fault_class,
            tool_version=faults.tool_version(),
            limit=limit,
        )
    return [given for row in found for given in row["given"] or [row["url"]]]


def check_retry(retry: str) -> None:
    """Raise ValueError if that is no class that may be tried again."""
    if retry not in (faults.DUE, *faults.RETRYABLE):
        raise ValueError(f"retry {retry!r} is none of {', '.join((faults.DUE, *faults.RETRYABLE))}")
