"""How far raters agree beyond chance: Krippendorff's alpha of each field, over all labelled clips.

Krippendorff, Content Analysis (2004), ch. 11; crowd-kit's implementation. A field's distance follows its level of
measurement: `nominal` answers are alike or not; `ordinal` ones are as far apart as the ratings between them;
`interval` ones by their squared difference. For a choice of several families the distance of the sets is MASI's
(Passonneau 2006).
"""

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
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
        for name, level in LEVELS.items():
            statement = f"select_{name}_ratings" if name == "emotions" else "select_ratings"
            parameters = {} if name == "emotions" else {"field": name}
            ratings = [(r["clip_id"], r["annotator_id"], _value(name, r["rating"]))
                       for r in catalog.rows(connection, statement, **parameters)]  # fmt: skip
            found[name] = {
                "alpha": alpha(ratings, level),
                "level": level,
                "n_clips": len({clip_id for clip_id, _, _ in ratings}),
                "n_ratings": len(ratings),
            }
    return found


def keep(connection: "Connection[catalog.Row]", version: str) -> None:
    """Measure the agreement on a frozen release and keep it with the release, in catalog.release_agreement.

    Over all its clips, or over MAX_SAMPLE of them that stay the same from release to release.
    """
    ratings: dict[str, list[tuple[str, str, Any]]] = {name: [] for name in LEVELS}
    for row in catalog.rows(connection, "select_agreement_sample", version=version, max_clips=MAX_SAMPLE):
        ratings[row["field"]].append((row["clip_id"], row["annotator_id"], _value(row["field"], row["rating"])))
    connection.execute("delete from catalog.release_agreement where version = %s", [version])
    records = []
    for name, level in LEVELS.items():
        n_of_clip = Counter(clip_id for clip_id, _, _ in ratings[name])
        paired = [rating for rating in ratings[name] if n_of_clip[rating[0]] >= 2]
        n_clips = len({clip_id for clip_id, _, _ in paired})
        records.append((version, name, level, alpha(paired, level), n_clips, len(paired)))
    columns = ("version", "field", "level", "alpha", "n_clips", "n_ratings")
    catalog.copy_in(connection, "catalog.release_agreement", columns, records)


def alpha(ratings: list[tuple[str, str, Any]], level: str) -> float | None:
    """Krippendorff's alpha of (item, rater, value); None if nothing can be compared or nothing differs.

    Values are numbers for `ordinal` (ranks) and `interval`; for `nominal` whatever can be compared, sets by MASI.
    """
    n_of_item = Counter(item for item, _, _ in ratings)
    paired = [rating for rating in ratings if n_of_item[rating[0]] >= 2]
    if len({value for _, _, value in paired}) < 2:
        return None
    import pandas as pd
    from crowdkit.metrics.data import alpha_krippendorff

    # An object column keeps sets as they are; a table of records would spread them.
    answers = pd.DataFrame(
        {
            "task": [item for item, _, _ in paired],
            "worker": [rater for _, rater, _ in paired],
            "label": pd.Series([value for _, _, value in paired], dtype=object),
        }
    )
    return float(alpha_krippendorff(answers, distance_of(level, [value for _, _, value in paired])))


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
