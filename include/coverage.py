"""Coverage steers the search: which entries of sources.yaml get a run's budget of new sources.

The same catalog and file give the same shares.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from include import catalog
from include.sources import Listing, Quotas, Search

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

Group = tuple[str, str]  # dimension, value


def share_out(entries: Sequence[Search | Listing], quotas: Quotas, budget: int) -> list[int]:
    """How many new sources each entry may give, in their order; at most `budget` in all.

    One source at a time goes to the entry that aims at the group furthest below its quota, and counts as a clip on
    its way; the earlier entry on a tie. An entry that aims at no quota, or whose quotas are met, gets what is left:
    equal shares. No entry gets more than its `limit`.
    """
    wanted = {(name, value): n for name, values in quotas.model_dump().items() for value, n in values.items()}
    have, in_pipeline = read() if wanted else (Counter[Group](), Counter[Group]())
    given = [0] * len(entries)
    share: Counter[Group] = Counter()

    def need(index: int) -> tuple[float, float, int]:
        """How urgent an entry is: the greatest lack among its groups, then fewest given, then its place."""
        groups = [group for group in _groups(entries[index]) if group in wanted]
        lacks = [1 - (have[group] + in_pipeline[group] + share[group]) / wanted[group] for group in groups]
        return max(0.0, *lacks, 0.0), -given[index], -index

    for _ in range(budget):
        open_entries = [index for index, entry in enumerate(entries) if given[index] < entry.limit]
        if not open_entries:
            break
        chosen = max(open_entries, key=need)
        given[chosen] += 1
        share.update(_groups(entries[chosen]))
    log_table(wanted, have, in_pipeline, share)
    return given


def _groups(entry: Search | Listing) -> list[Group]:
    return [(dimension, value) for dimension, values in entry.aim.items() for value in values]


def read() -> tuple["Counter[Group]", "Counter[Group]"]:
    """Clips that are labelled, and clips on their way, by group; none where there are none.

    Counts what changed since the last time (docs/decisions: coverage follows what changed).
    """
    from psycopg import IsolationLevel

    have: Counter[Group] = Counter()
    in_pipeline: Counter[Group] = Counter()
    with catalog.connect() as connection:
        # One snapshot shows changes, what was noted of them, and the counts. It is taken after the locks are there: an
        # older one would not show what another planner has just counted, and would show a truncated table as empty.
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.execute("lock table catalog.coverage in exclusive mode")
        connection.execute("lock table catalog.clip, catalog.label, catalog.source in access share mode")
        keep_up(connection)
        for row in catalog.rows(connection, "read_coverage"):
            group = (row["dimension"], row["value"])
            have[group], in_pipeline[group] = row["have"], row["in_pipeline"]
    return +have, +in_pipeline


def keep_up(connection: "Connection[catalog.Row]") -> None:
    """Bring the counts up to what the transaction's snapshot shows: by what changed; if that is much, from scratch."""
    changes = catalog.row(connection, "select_coverage_changes")
    if changes and changes["is_everything"]:
        connection.execute("set local work_mem = '64MB'")  # labels and sources are hashed by the million
        catalog.create(connection, "create_counted_coverage")
        connection.execute("delete from catalog.coverage")
        connection.execute("insert into catalog.coverage select * from counted")
    else:
        catalog.create(connection, "create_noted_coverage")
        connection.execute("analyze noted")
        catalog.run(connection, "move_coverage")
        connection.execute("delete from catalog.coverage where n_clips = 0")
    connection.execute("delete from catalog.coverage_change")


def log_table(
    wanted: dict[Group, int], have: "Counter[Group]", in_pipeline: "Counter[Group]", given: "Counter[Group]"
) -> None:
    """Log quota, have, in pipeline and given, a line a group."""
    if not wanted:
        return
    lines = [f"{'group':<40}{'quota':>9}{'have':>9}{'in pipeline':>13}{'given':>7}"]
    for group, quota in wanted.items():
        name = f"{group[0]} {group[1]}"
        lines.append(f"{name:<40}{quota:>9}{have[group]:>9}{in_pipeline[group]:>13}{given[group]:>7}")
    log.info("coverage:\n%s", "\n".join(lines))
