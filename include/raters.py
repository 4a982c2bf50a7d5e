"""Whom to believe: evidence on each annotator, and the weight and state that it comes to.

Nothing here uses who an annotator is: only what they said, how long it took, and what others said of the same clips.
The evidence rests on an annotator's newest annotations, so that it follows them and its cost follows what is new.
docs/labels.md gives the formulas and their sources.
"""

import logging
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from include import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

log = logging.getLogger(__name__)

WINDOW = 100  # newest annotations that an annotator is judged by
MIN_SHARED = 10  # questions or ratings shared with others before a weight leaves 1
SHRINKAGE = 10  # questions that the mean of all annotators is worth
MIN_WEIGHT, MAX_WEIGHT = 0.05, 2.0
WATCHED_FACTOR = 0.5
EM_ITERATIONS = 20

MIN_GOLD = 5
GOLD_FLOOR = 0.6
MIN_TIMED, FAST_SHARE = 10, 0.5
MIN_REPEATED, SAME_SHARE = 20, 0.9
MIN_DESCRIBED, PASTED_SHARE = 10, 0.5
MIN_QUESTIONS, CHANCE_INFORMEDNESS = 30, 0.1
TRUSTED_ANNOTATIONS, TRUSTED_WEIGHT = 50, 0.8


def renew(connection: "Connection[catalog.Row]", annotator_table: str | None = None) -> int:
    """Renew evidence, weight and state of the annotators in a table (column `annotator_id`), or of all; how many.

    What a person decided (`catalog.annotator_overrule`) stands above what the evidence comes to.
    """
    from psycopg import sql

    chosen = sql.Identifier(annotator_table) if annotator_table else sql.Identifier("catalog", "annotator")
    connection.execute("drop table if exists annotator_to_renew, judged_vote")
    connection.execute(
        sql.SQL(
            "create temporary table annotator_to_renew on commit drop as select distinct annotator_id from {}"
        ).format(chosen)
    )
    connection.execute(catalog.statement("create_judged_vote"), {"window": WINDOW})
    connection.execute("analyze judged_vote")
    informedness = judge_families(catalog.rows(connection, "select_family_answers"))
    n_judged = _judge(connection, informedness)
    # The mean of a clip's ratings is that of raters who count. Who is blocked does not hang on it, so twice is enough.
    if catalog.run(connection, "update_judged_vote_blocks"):
        _judge(connection, informedness)
    log.info("%d annotators renewed", n_judged)
    return n_judged


def _judge(connection: "Connection[catalog.Row]", informedness: dict[str, dict[str, Any]]) -> int:
    """Write evidence, weight and state of the annotators to renew, from what judged_vote has of them; how many."""
    mean = _mean(informedness.values())
    signals = catalog.rows(connection, "select_annotator_signals")
    evidence = [weigh({**row, **informedness.get(row["annotator_id"], _UNKNOWN)}, mean) for row in signals]
    if evidence:
        with connection.cursor() as cursor:
            cursor.executemany(catalog.statement("upsert_annotator_evidence"), evidence)
    catalog.run(connection, "update_annotators")
    return len(evidence)


_UNKNOWN: dict[str, Any] = {"n_questions": 0, "informedness": None}


def judge_families(answers: "list[catalog.Row]") -> dict[str, dict[str, Any]]:
    """How much each annotator's choice of families tells, by `annotator_id`: `n_questions`, `informedness`.

    An answer is `question` (a clip and a family that one of its raters chose), `annotator_id`, `is_yes`. The model
    of Dawid & Skene (1979, https://doi.org/10.2307/2346806; crowd-kit's) estimates by EM how often an annotator
    says yes where the answer is yes and where it is no; the difference is Youden's J (1950), 0 for answers by chance
    whatever their base rate, 1 for answers that are always right.
    """
    n_of_annotator = Counter(str(answer["annotator_id"]) for answer in answers)
    if all(n < MIN_SHARED for n in n_of_annotator.values()):
        # Nobody's weight would leave 1; crowd-kit alone takes seconds to import.
        return {who: {"n_questions": n, "informedness": None} for who, n in n_of_annotator.items()}
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    data = pd.DataFrame(answers).rename(columns={"question": "task", "annotator_id": "worker", "is_yes": "label"})
    n_questions = data.groupby("worker").size()
    model = DawidSkene(n_iter=EM_ITERATIONS).fit(data)
    assert model.errors_ is not None  # it was fitted one line above
    if not {True, False} <= set(model.errors_.columns):
        # Nobody ever contradicted anybody: nothing was learned of anyone.
        return {str(who): {"n_questions": int(n), "informedness": None} for who, n in n_questions.items()}
    said_yes = model.errors_.xs(True, level="label").reindex(n_questions.index, fill_value=0.0)
    found = dict(zip(n_questions.index, said_yes[True] - said_yes[False], strict=True))
    return {
        str(who): {"n_questions": int(n), "informedness": round(float(found[who]), 6)} for who, n in n_questions.items()
    }


def weigh(evidence: dict[str, Any], mean_informedness: float) -> dict[str, Any]:
    """Evidence with the `weight`, `state` and `signals` that it comes to.

    The weight is the annotator's informedness, shrunk towards the mean of all, as a multiple of that mean; 1 until
    enough is known. Any signal makes an annotator watched, at half the weight; two of what they did alone, or wrong
    answers on gold clips, block.
    """
    signals = find_signals(evidence)
    n, found = evidence["n_questions"], evidence["informedness"]
    weight = 1.0
    if found is not None and n >= MIN_SHARED and mean_informedness > 0:
        shrunk = (n * found + SHRINKAGE * mean_informedness) / (n + SHRINKAGE)
        weight = min(MAX_WEIGHT, max(MIN_WEIGHT, shrunk / mean_informedness))
    # Disagreement takes nobody's voice away: it weighs less. So a block hangs on what an annotator did alone, and not
    # on whose votes came first.
    if len([name for name in signals if name != "disagrees"]) >= 2 or "fails_gold" in signals:
        state = "blocked"
    elif signals:
        state, weight = "watched", weight * WATCHED_FACTOR
    elif evidence["n_annotations"] >= TRUSTED_ANNOTATIONS and n >= MIN_QUESTIONS and weight >= TRUSTED_WEIGHT:
        state = "trusted"
    else:
        state = "new"
    return {**evidence, "signals": signals, "weight": round(weight, 4), "state": state}


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


def _mean(found: "Iterable[dict[str, Any]]") -> float:
    """Mean informedness, each annotator weighing as much as the questions they answered."""
    known = [(row["n_questions"], row["informedness"]) for row in found if row["informedness"] is not None]
    total = sum(n for n, _ in known)
    return sum(n * value for n, value in known) / total if total else 0.0
