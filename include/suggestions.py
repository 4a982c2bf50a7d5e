"""What volunteers propose: rows of catalog.suggestion → addresses, and back what became of each."""

import contextlib
from typing import TYPE_CHECKING

from include import catalog, ids

if TYPE_CHECKING:
    from psycopg import Connection


def take_open(limit: int, *, is_dry_run: bool = False) -> list[str]:
    """Addresses, with their times, of the oldest suggestions that nobody looked at; they are `waiting` from now on."""
    addresses = []
    with catalog.connect() as connection:
        for row in catalog.rows(connection, "select_open_suggestions", limit=limit):
            has_times = row["start_s"] is not None and row["end_s"] is not None
            url = row["url"].partition("#")[0] if has_times else row["url"]
            address = f"{url}#t={row['start_s']:g},{row['end_s']:g}" if has_times else url
            addresses.append(address)
            placed = {"suggestion_id": row["suggestion_id"], "address": ids.printable(address), "address_url": None}
            with contextlib.suppress(ValueError):  # the ledger will say what is wrong with it
                stretch = ids.parse_address(address)
                if stretch.window_ms is not None:
                    ids.check_window(*stretch.window_ms)
                placed |= {"address": stretch.address_at(stretch.url), "address_url": stretch.url}
            catalog.run(connection, "place_suggestion", **placed)
        if is_dry_run:
            connection.rollback()
    return addresses


def settle(connection: "Connection[catalog.Row]") -> None:
    """Write to the suggestions what became of their addresses."""
    catalog.run(connection, "settle_suggestions")
