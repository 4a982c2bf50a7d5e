"""How fast a site is asked, by all workers on all machines together, and when it is left alone.

Both stand in Postgres, one row a site: a clock that each request moves on (the generic cell rate algorithm, ITU-T
I.371, without a burst), and a breaker that opens when the site says that it is asked too much.
"""

import logging
import random
import time
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from include import catalog, ids, settings

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)


class SiteClosed(Exception):
    """The site's breaker is open: what was to be asked stays untouched until `until`."""

    def __init__(self, row: catalog.Row) -> None:
        super().__init__(f"its site wants us to slow down: {row['message']}")
        self.until = row["open_until"]


def site(url: str) -> str:
    """The site that an address belongs to: its host, YouTube's hosts and searches being one."""
    host = urlsplit(url).hostname or ""
    return "youtube" if ids.is_youtube(host) or url.startswith("ytsearch") else host or "unknown"


def wait_turn(
    connection: "Connection[catalog.Row]", url: str, kind: Literal["request", "download"] = "request"
) -> None:
    """Sleep until the site may be asked, a little longer at random. Commits. Raises SiteClosed."""
    current = settings.current()
    per_minute = current.site_requests_per_minute if kind == "request" else current.site_downloads_per_minute
    if per_minute <= 0:
        check_open(connection, url)
        return
    interval_s = 60 / per_minute
    turn = catalog.row(
        connection, "take_site_turn", site=site(url), is_download=kind == "download", interval_s=interval_s
    )
    connection.commit()
    if turn is None:
        return
    if turn["open_until"] is not None:
        raise SiteClosed(turn)
    time.sleep(max(0.0, turn["wait_s"]) + random.uniform(0, interval_s / 4))


def check_open(connection: "Connection[catalog.Row]", url: str) -> None:
    """Raise SiteClosed if the site's breaker is open."""
    row = catalog.row(connection, "select_open_breaker", site=site(url))
    if row is not None:
        raise SiteClosed(row)


def open_breaker(connection: "Connection[catalog.Row]", url: str, why: str) -> None:
    """Leave a site alone for a while."""
    current = settings.current()
    row = catalog.row(
        connection, "open_breaker", site=site(url), wait_s=current.breaker_s, cap_s=current.retry_cap_s, message=why
    )
    log.warning("%s: breaker open until %s: %s", site(url), row and row["open_until"], why)


def close_breaker(connection: "Connection[catalog.Row]", url: str) -> None:
    """Note that a site answers again."""
    catalog.run(connection, "close_breaker", site=site(url))
