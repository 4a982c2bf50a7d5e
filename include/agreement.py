"""How far raters agree beyond chance: Krippendorff's alpha of each field, over all labelled clips.

Krippendorff, Content Analysis (2004), ch. 11; crowd-kit's implementation. A field's distance follows its level of
measurement: `nominal` answers are alike or not; `ordinal` ones are as far apart as the ratings between them;
`interval` ones by their squared difference. For a choice of several families the distance of the sets is MASI's
(Passonneau 2006).
"""

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from include import catalog
from include.contract import AGE_GROUPS, QUALITIES

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

LEVELS = {
    "emotions": "nominal",
    "arousal": "interval",
    "valence": "interval",
    "age_group": "ordinal",
    "gender": "nominal",
    "accent": "nominal",
    "audio_quality": "ordinal",
}
# Of a release's clips: alpha is then known to about 0.01.
MAX_SAMPLE = 2_000
Distance = Callable[[Any, Any], float]


def by_field() -> dict[str, dict[str, Any]]:
    """Alpha of each field over the votes that labels rest on: `alpha`, `level`, `n_clips`, `n_ratings`.

    Only clips with two ratings or more count. Alpha is None where there is none of them, or all ratings are alike.
    """
    found = {}
    with catalog.connect() as connection:
        for name in LEVELS:
            statement = f"select_{name}_ratings" if name == "emotions" else "select_ratings"
            parameters = {} if name == "emotions" else {"field": name}
            found[name] = _measured(name, [row["ratings"] for row in catalog.rows(connection, statement, **parameters)])
    return found


def keep(connection: "Connection[catalog.Row]", version: str) -> None:
    """Measure the agreement on a frozen release and keep it with the release, in catalog.release_agreement.

    Over all its clips, or over MAX_SAMPLE of them that stay the same from release to release.
    """
    clips = catalog.rows(connection, "select_agreement_sample", version=version, max_clips=MAX_SAMPLE)
    measured = {name: _measured(name, [clip[name] or [] for clip in clips]) for name in LEVELS}
    connection.execute("delete from catalog.release_agreement where version = %s", [version])
    columns = ("level", "alpha", "n_clips", "n_ratings")
    records = [(version, name, *(found[column] for column in columns)) for name, found in measured.items()]
    catalog.copy_in(connection, "catalog.release_agreement", ("version", "field", *columns), records)


def _measured(name: str, ratings: list[list[Any]]) -> dict[str, Any]:
    """What is told of a field, from its ratings of each clip as the catalog gives them."""
    level = LEVELS[name]
    compared = [[_value(name, rating) for rating in of_clip] for of_clip in ratings if len(of_clip) >= 2]
    n_ratings = sum(map(len, compared))
    return {"alpha": alpha(compared, level), "level": level, "n_clips": len(compared), "n_ratings": n_ratings}


def alpha(ratings: Iterable[Sequence[Any]], level: str) -> float | None:
    """Krippendorff's alpha of the ratings of each item; None if nothing can be compared or nothing differs.

    Values are numbers for `ordinal` (ranks) and `interval`; for `nominal` whatever can be compared, sets by MASI.
    """
    paired = [values for values in ratings if len(values) >= 2]
    labels = [value for values in paired for value in values]
    if len(set(labels)) < 2:
        return None
    import pandas as pd
    from crowdkit.metrics.data import alpha_krippendorff

    # An object column keeps sets as they are; a table of records would spread them.
    answers = pd.DataFrame(
        {
            "task": [item for item, values in enumerate(paired) for _ in values],
            "worker": [rater for values in paired for rater, _ in enumerate(values)],
            "label": pd.Series(labels, dtype=object),
        }
    )
    # It asks for the same few distances for each item.
    return float(alpha_krippendorff(answers, cache(distance_of(level, labels))))


def distance_of(level: str, values: Iterable[Any]) -> Distance:
    """The distance between two values of a level of measurement; an ordinal one hangs on all `values`."""
    if level == "interval":
        return lambda one, other: float((one - other) ** 2)
    if level == "nominal":
        return _masi
    count = Counter(values)
    below, so_far = {}, 0.0
    for value in sorted(count):
        below[value] = so_far + count[value] / 2
        so_far += count[value]
    # The ratings between the two, counting half of those at either end.
    return lambda one, other: float((below[one] - below[other]) ** 2)


def _masi(one: Hashable, other: Hashable) -> float:
    """Distance of two sets; of other values, 1 unless they are equal."""
    if one == other:
        return 0.0
    if not isinstance(one, frozenset) or not isinstance(other, frozenset):
        return 1.0
    common = len(one & other)
    if not common:
        return 1.0
    monotony = 2 / 3 if one < other or other < one else 1 / 3
    return 1 - common / len(one | other) * monotony


def _value(name: str, rating: Any) -> Any:
    if name == "emotions":
        return frozenset(rating)
    if name in ("arousal", "valence"):
        return int(rating)
    if name == "audio_quality":
        return QUALITIES.index(rating)
    return AGE_GROUPS.index(rating) if name == "age_group" else rating
