"""Whom to believe: evidence on each annotator, and the weight and state that it comes to.

Nothing here uses who an annotator is: only what they said, how long it took, and what others said of the same clips.
The evidence rests on an annotator's newest annotations, so that it follows them and its cost follows what is new.
docs/labels.md gives the formulas and their sources.
"""

import logging
import math
from typing import TYPE_CHECKING, Any

from include import catalog, columns, signals, tally

if TYPE_CHECKING:
    from typing import LiteralString

    from psycopg import Connection

    from include.columns import Numbers

log = logging.getLogger(__name__)

WINDOW = 100  # newest annotations that an annotator is judged by
MIN_SHARED = 10  # questions or ratings shared with others before a weight leaves 1
SHRINKAGE = 10  # questions that the mean of all annotators is worth
MIN_WEIGHT, MAX_WEIGHT = 0.05, 2.0
WATCHED_FACTOR = 0.5

MIN_GOLD = 5
GOLD_FLOOR = 0.6
MIN_TIMED, FAST_SHARE = 10, 0.5
MIN_REPEATED, SAME_SHARE = 20, 0.9
MIN_DESCRIBED, PASTED_SHARE = 10, 0.5
MIN_QUESTIONS, CHANCE_INFORMEDNESS = 30, 0.1
TRUSTED_ANNOTATIONS, TRUSTED_WEIGHT = 50, 0.8


def renew(connection: "Connection[catalog.Row]", annotator_table: str) -> int:
    """Renew evidence, weight and state of the annotators in a table (column `annotator_id`); how many.

    What a person decided (`catalog.annotator_overrule`) stands above what the evidence comes to.
    """
    connection.execute("drop table if exists judged_clip")
    _choose(connection, annotator_table)
    connection.execute(
        catalog.statement("create_judged_clip"), {"window": WINDOW, "clips_at_once": columns.CLIPS_AT_ONCE}
    )
    connection.execute("analyze judged_clip")
    (last,) = connection.execute("select coalesce(max(batch), -1) as batch from judged_clip").fetchall()
    said = columns.read_clips(connection, "judged_clip", range(last["batch"] + 1), signals.TEXTS)
    return _renew(connection, said)


def renew_all(connection: "Connection[catalog.Row]", said: columns.Annotations) -> int:
    """Renew every annotator, as renew() does, from all annotations there are; how many."""
    _choose(connection, "annotator", schema="catalog")
    return _renew(connection, said)


def _choose(connection: "Connection[catalog.Row]", annotator_table: str, schema: str = "pg_temp") -> None:
    from psycopg import sql

    connection.execute("drop table if exists annotator_to_renew")
    connection.execute(
        sql.SQL(
            "create temporary table annotator_to_renew on commit drop as select distinct annotator_id from {}"
        ).format(sql.Identifier(schema, annotator_table))
    )
    connection.execute("analyze annotator_to_renew")


def _renew(connection: "Connection[catalog.Row]", said: columns.Annotations) -> int:
    """Renew the annotators in annotator_to_renew by what was said of the clips that they are judged by."""
    is_chosen = _mask(connection, said, "select annotator_id from annotator_to_renew")
    found = signals.judged(said, is_chosen, WINDOW)
    figures, mean = signals.measure(
        found,
        tally.Words.of(catalog.rows(connection, "select_vocabulary")),
        connection.execute("select * from catalog.gold_answer").fetchall(),
    )
    blocked = "select annotator_id from catalog.annotator where state = 'blocked'"
    is_blocked = _mask(connection, said, blocked)
    _judge(connection, figures, signals.correlations(found, is_blocked), mean)
    # The mean of a clip's ratings is that of raters who count. Who is blocked does not hang on it, so twice is enough.
    is_now_blocked = _mask(connection, said, blocked)
    if (is_now_blocked != is_blocked).any():
        _judge(connection, figures, signals.correlations(found, is_now_blocked), mean)
    log.info("%d annotators renewed", len(figures))
    return len(figures)


def _mask(connection: "Connection[catalog.Row]", said: columns.Annotations, statement: "LiteralString") -> "Numbers":
    """Which annotators a statement names, of shape (annotators,)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = [row["annotator_id"] for row in connection.execute(statement)]
    mask: Numbers = pc.is_in(said.annotator_ids, pa.array(ids, pa.string())).to_numpy(zero_copy_only=False)
    return mask


def _judge(
    connection: "Connection[catalog.Row]", figures: list[catalog.Row], ratings: list[catalog.Row], mean: float
) -> None:
    """Write evidence, weight and state of the annotators to renew."""
    weighed = [weigh({**row, **rated}, mean) for row, rated in zip(figures, ratings, strict=True)]
    if weighed:
        connection.execute("drop table if exists staged_evidence")
        connection.execute(
            "create temporary table staged_evidence (like catalog.annotator_evidence including defaults) on commit drop"
        )
        catalog.copy_in(connection, "staged_evidence", list(weighed[0]), (list(row.values()) for row in weighed))
        catalog.run(connection, "merge_staged_evidence")
    catalog.run(connection, "update_annotators")


def weigh(evidence: dict[str, Any], mean_informedness: float) -> dict[str, Any]:
    """Evidence with the `weight`, `state` and `signals` that it comes to.

    The weight is the annotator's informedness, shrunk towards the mean of all, as a multiple of that mean; 1 until
    enough is known. Any signal makes an annotator watched, at half the weight; two of what they did alone, or wrong
    answers on gold clips, block.
    """
    against = find_signals(evidence)
    n, found = evidence["n_questions"], evidence["informedness"]
    weight = 1.0
    if found is not None and n >= MIN_SHARED and mean_informedness > 0:
        shrunk = (n * found + SHRINKAGE * mean_informedness) / (n + SHRINKAGE)
        weight = min(MAX_WEIGHT, max(MIN_WEIGHT, shrunk / mean_informedness))
    # Disagreement takes nobody's voice away: it weighs less. So a block hangs on what an annotator did alone, and not
    # on whose votes came first.
    if len([name for name in against if name != "disagrees"]) >= 2 or "fails_gold" in against:
        state = "blocked"
    elif against:
        state, weight = "watched", weight * WATCHED_FACTOR
    elif evidence["n_annotations"] >= TRUSTED_ANNOTATIONS and n >= MIN_QUESTIONS and weight >= TRUSTED_WEIGHT:
        state = "trusted"
    else:
        state = "new"
    return {**evidence, "signals": against, "weight": round(weight, 4), "state": state}


def find_signals(evidence: dict[str, Any]) -> list[str]:
    """The names of what speaks against an annotator."""
    n_questions, found = evidence["n_questions"], evidence["informedness"]
    n_gold, n_right = evidence["n_gold"], evidence["n_gold_right"]
    held = {
        "fails_gold": n_gold >= MIN_GOLD and wilson_upper(n_right, n_gold) < GOLD_FLOOR,
        "too_fast": evidence["n_timed"] >= MIN_TIMED and evidence["fast_share"] > FAST_SHARE,
        "same_answers": evidence["n_annotations"] >= MIN_REPEATED and (evidence["same_share"] or 0) >= SAME_SHARE,
        "pasted": evidence["n_described"] >= MIN_DESCRIBED and evidence["pasted_share"] > PASTED_SHARE,
        "disagrees": n_questions >= MIN_QUESTIONS and found is not None and found < CHANCE_INFORMEDNESS,
    }
    return [name for name, is_held in held.items() if is_held]


def wilson_upper(n_right: int, n: int, z: float = 1.96) -> float:
    """Upper end of Wilson's 95 % interval of a share (Wilson 1927, https://doi.org/10.2307/2276774)."""
    share = n_right / n
    centre = share + z * z / (2 * n)
    return (centre + z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def overrule(annotator_id: str, state: str | None, weight: float | None, reason: str) -> bool:
    """Put a person's decision above the evidence; with neither state nor weight, lift it. Whether they are known.

    The labels follow at the next merge where an annotator is blocked or let in, and otherwise with their next votes.
    """
    with catalog.connect() as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        parameters = {"annotator_id": annotator_id, "state": state, "weight": weight, "reason": reason}
        if state is None and weight is None:
            connection.execute("delete from catalog.annotator_overrule where annotator_id = %s", [annotator_id])
        elif not catalog.run(connection, "upsert_annotator_overrule", **parameters):
            return False
        connection.execute("create temporary table annotator_to_renew on commit drop as select %s as annotator_id",
                           [annotator_id])  # fmt: skip
        return catalog.run(connection, "update_annotators") > 0


def evidence(annotator_id: str | None = None) -> list[catalog.Row]:
    """Evidence, state and any decision on one annotator, or on all, the least believed first."""
    with catalog.connect() as connection:
        return catalog.rows(connection, "select_annotators", annotator_id=annotator_id)


def annotators(state: str | None = None, limit: int | None = None) -> list[catalog.Row]:
    """A row an annotator, of one state or of all, the least believed first: `annotator_id`, `state`, `weight`,
    `n_annotations` judged, `signals` against them, and why a person `decided`, if one did.
    """
    with catalog.connect() as connection:
        return catalog.rows(connection, "select_annotator_list", state=state, limit=limit)
