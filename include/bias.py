"""Bias, made visible: who is in the data, and how labels differ between groups of speakers and of annotators.

Groups of speakers are those that annotators perceived; groups of annotators rest on profiles that they chose to give.
A mean's interval is Student's normal approximation, mean ± 1.96 s/√n; a share's is Wilson's.
"""

import math
from typing import Any, Literal

from include import catalog

Z = 1.96
MIN_PEOPLE = 5

SpeakerGroup = Literal["language", "accent", "gender", "age_group"]
AnnotatorGroup = Literal["age_group", "gender", "first_language"]


def composition() -> list[catalog.Row]:
    """Clips, hours and speaker groups by `language`, `accent`, `gender` and `age_group`, the most hours first."""
    with catalog.connect() as connection:
        return catalog.rows(connection, "select_bias_composition")


def labels_by_speaker(group: SpeakerGroup) -> list[dict[str, Any]]:
    """How labels differ between groups of speakers: a row a group.

    `group`, `n_clips`; for `arousal` and `valence` `_mean`, `_low`, `_high` (95 %; None for fewer than two clips);
    `emotion_rates` {family: {rate, low, high}}, the share of clips with the family among their most voted.
    """
    with catalog.connect() as connection:
        found = catalog.rows(connection, "select_bias_labels", group=group)
    return [_with_intervals(row) for row in found]


def votes_by_annotator(group: AnnotatorGroup) -> list[dict[str, Any]]:
    """How votes differ between groups of annotators who gave a profile: a row a group.

    `group`, `n_annotators`, and as labels_by_speaker(), n and intervals over annotators' own means. Of a group of
    under 5 people nothing is told but that it is small.
    """
    with catalog.connect() as connection:
        found = catalog.rows(connection, "select_bias_votes", group=group)
    return [
        _with_intervals(row)
        if row["n_annotators"] >= MIN_PEOPLE
        else {"group": row["group"], "n_annotators": None, "is_blanked": True}
        for row in found
    ]


def mean_interval(mean: float | None, std: float | None, n: int) -> tuple[float | None, float | None]:
    """95 % interval of a mean from the sample's standard deviation; None for fewer than two values."""
    if mean is None or std is None or n < 2:
        return None, None
    half = Z * std / math.sqrt(n)
    return mean - half, mean + half


def share_interval(n_held: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (1927, https://doi.org/10.2307/2276774); `n` is above 0."""
    share, denominator = n_held / n, 1 + Z * Z / n
    centre = (share + Z * Z / (2 * n)) / denominator
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / denominator
    return max(0.0, centre - half), min(1.0, centre + half)


def _with_intervals(row: catalog.Row) -> dict[str, Any]:
    found = {name: value for name, value in row.items() if not name.endswith(("_std", "_n", "emotion_counts"))}
    for name in ("arousal", "valence"):
        low, high = mean_interval(row[f"{name}_mean"], row[f"{name}_std"], row[f"{name}_n"])
        found |= {f"{name}_low": low, f"{name}_high": high}
    if "emotion_counts" in row:
        n = row["n_clips"]
        found["emotion_rates"] = {
            family: dict(zip(("rate", "low", "high"), (n_held / n, *share_interval(n_held, n)), strict=True))
            for family, n_held in sorted(row["emotion_counts"].items())
        }
    return found
