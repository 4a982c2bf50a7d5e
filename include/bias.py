"""Bias, made visible: who is in the data, and how labels differ between groups of speakers and of annotators.

Groups of speakers are those that annotators perceived; groups of annotators rest on profiles that they chose to give.
Each table is of a release as it was frozen, or, without a version, of all that could be released now.

Clips of one speaker are no independent ones, so a mean's standard error is taken over speaker groups (Liang & Zeger
1986, https://doi.org/10.1093/biomet/73.1.13), its interval from Student's t with one degree of freedom less than there
are groups; a share's interval is Wilson's (1927, https://doi.org/10.2307/2276774) with the effective number of clips
(Kish 1965, Survey Sampling, ch. 8).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, get_args

from include import catalog, sample_rows

if TYPE_CHECKING:
    from psycopg import Connection

Z = 1.96
MIN_PEOPLE = 5
MAX_FAMILIES = 5
MAX_ROWS = 40

SpeakerGroup = Literal["language", "accent", "gender", "age_group"]
AnnotatorGroup = Literal["age_group", "gender", "first_language"]
Interval = tuple[float | None, float | None]


@contextmanager
def _clips(version: str | None) -> "Iterator[Connection[catalog.Row]]":
    """A connection with the tables `bias_part` and `bias_family`."""
    with catalog.connect() as connection:
        if version is None:
            catalog.run(connection, "create_present_bias_clip")
        else:
            sample_rows.take(connection, version)
            catalog.run(connection, "create_card_clip", version=version)
            catalog.run(connection, "create_released_bias_clip")
        _count_parts(connection)
        yield connection


def _count_parts(connection: "Connection[catalog.Row]") -> None:
    """Count table `bias_clip` once for all groupings."""
    for name in ("create_bias_part", "create_bias_family"):
        catalog.run(connection, name)


def composition(version: str | None = None) -> list[catalog.Row]:
    """Clips, hours and speaker groups by `language`, `accent`, `gender` and `age_group`, the most hours first."""
    with _clips(version) as connection:
        return catalog.rows(connection, "select_bias_composition")


def labels_by_speaker(group: SpeakerGroup, version: str | None = None) -> list[dict[str, Any]]:
    """How labels differ between groups of speakers: a row a group, the one with most clips first.

    `group`, `n_clips`, `n_speaker_groups`; for `arousal` and `valence` `_mean`, `_low`, `_high` (95 %; None for fewer
    than two speaker groups); `emotion_rates` {family: {rate, low, high}}, the share of clips with the family among
    their most voted.
    """
    with _clips(version) as connection:
        return _labels_by_speaker(connection, group)


def _labels_by_speaker(connection: "Connection[catalog.Row]", group: SpeakerGroup) -> list[dict[str, Any]]:
    found = catalog.rows(connection, "select_bias_labels", group=group)
    rows = [_of_speakers(name, list(parts)) for name, parts in groupby(found, key=lambda row: row["group"])]
    return sorted(rows, key=lambda row: -row["n_clips"])


def votes_by_annotator(group: AnnotatorGroup, version: str | None = None) -> list[dict[str, Any]]:
    """How votes differ between groups of annotators who gave a profile: a row a group, by name.

    `group`, `n_annotators`, and as labels_by_speaker(): means and rates over annotators' own means and rates, so that
    each person counts once. Of a group of under 5 people nothing is told but that it is small.
    """
    with catalog.connect() as connection:
        found = catalog.rows(connection, "select_bias_votes", group=group, version=version)
    people = {name: list(rows) for name, rows in groupby(found, key=lambda row: row["group"])}
    return [
        _of_annotators(name, rows)
        if len(rows) >= MIN_PEOPLE
        else {"group": name, "n_annotators": None, "is_blanked": True}
        for name, rows in people.items()
    ]


def for_card(connection: "Connection[catalog.Row]", version: str) -> dict[str, Any]:
    """The tables of a release as its data card shows them: what fewer than 5 speaker groups or people share is left
    out; `composition`, and of `speakers` and `annotators` [(name of the grouping, rows)] those with two groups or more,
    each row with its most frequent `families` [(family, rate)].

    The connection has the table `card_clip`.
    """
    catalog.run(connection, "create_released_bias_clip")
    _count_parts(connection)
    found = catalog.rows(connection, "select_bias_composition")
    known = [row for row in found if row["n_speaker_groups"] >= MIN_PEOPLE]
    speakers = {
        name: [row for row in _labels_by_speaker(connection, name) if row["n_speaker_groups"] >= MIN_PEOPLE]
        for name in get_args(SpeakerGroup)
    }
    annotators = {
        name: [row for row in votes_by_annotator(name, version) if not row.get("is_blanked")]
        for name in get_args(AnnotatorGroup)
    }
    for rows in (*speakers.values(), *annotators.values()):
        for row in rows:
            row["families"] = _frequent_families(row)
    return {
        "composition": known[:MAX_ROWS],
        # One group alone differs from none.
        "speakers": [(name, rows[:MAX_ROWS]) for name, rows in speakers.items() if len(rows) > 1],
        "annotators": [(name, rows[:MAX_ROWS]) for name, rows in annotators.items() if len(rows) > 1],
    }


def _frequent_families(row: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    return sorted(row["emotion_rates"].items(), key=lambda item: (-item[1]["rate"], item[0]))[:MAX_FAMILIES]


def _of_speakers(name: str, parts: list[catalog.Row]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "group": name, "n_clips": sum(part["n_clips"] for part in parts), "n_speaker_groups": len(parts)
    }  # fmt: skip
    for field in ("arousal", "valence"):
        sums = [(part[f"{field}_sum"], part[f"{field}_n"]) for part in parts if part[f"{field}_n"]]
        mean, variance = clustered_mean(sums)
        low, high = mean_interval(mean, variance, len(sums))
        found |= {f"{field}_mean": mean, f"{field}_low": low, f"{field}_high": high}
    families = sorted({family for part in parts for family in part["emotion_counts"]})
    found["emotion_rates"] = {
        family: _rate([(part["emotion_counts"].get(family, 0), part["n_clips"]) for part in parts])
        for family in families
    }
    return found


def _rate(counts: Sequence[tuple[int, int]]) -> dict[str, float]:
    """A share over clusters of (held, all) and its interval."""
    n = sum(size for _, size in counts)
    share, variance = clustered_mean(counts)
    assert share is not None  # a cluster has a clip
    # As many independent clips as would leave the share as uncertain; never more than there are.
    scale = (len(counts) - 1) / len(counts)
    n_effective = min(n, share * (1 - share) / (variance * scale)) if variance else float(len(counts))
    return dict(zip(("rate", "low", "high"), (share, *share_interval(share * n_effective, n_effective)), strict=True))


def _of_annotators(name: str, people: list[catalog.Row]) -> dict[str, Any]:
    found: dict[str, Any] = {"group": name, "n_annotators": len(people)}
    for field in ("arousal", "valence"):
        own = [(person[field], 1) for person in people if person[field] is not None]
        mean, variance = clustered_mean(own)
        low, high = mean_interval(mean, variance, len(own))
        found |= {f"{field}_mean": mean, f"{field}_low": low, f"{field}_high": high}
    chose = [person for person in people if person["n_chosen"]]
    found["emotion_rates"] = {}
    for family in sorted({family for person in chose for family in person["emotion_counts"]}):
        own = [(person["emotion_counts"].get(family, 0) / person["n_chosen"], 1) for person in chose]
        mean, variance = clustered_mean(own)
        low, high = mean_interval(mean, variance, len(own))
        if mean is not None and low is not None and high is not None:
            found["emotion_rates"][family] = {"rate": mean, "low": max(0.0, low), "high": min(1.0, high)}
    return found


def clustered_mean(sums: Iterable[tuple[float, int]]) -> tuple[float | None, float | None]:
    """Mean of values that come in clusters, given as (sum, n), and the variance of that mean (None for one cluster)."""
    clusters = list(sums)
    n = sum(size for _, size in clusters)
    if not n:
        return None, None
    mean = math.fsum(total for total, _ in clusters) / n
    if len(clusters) < 2:
        return mean, None
    between = math.fsum((total - size * mean) ** 2 for total, size in clusters)
    return mean, len(clusters) / (len(clusters) - 1) * between / n**2


def mean_interval(mean: float | None, variance: float | None, n_clusters: int) -> Interval:
    """95 % interval of a mean from its variance over so many clusters; None for fewer than two."""
    if mean is None or variance is None:
        return None, None
    from scipy.special import stdtrit

    half = float(stdtrit(n_clusters - 1, 0.975)) * math.sqrt(variance)
    return mean - half, mean + half


def share_interval(n_held: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; `n` is above 0."""
    share, denominator = n_held / n, 1 + Z * Z / n
    centre = (share + Z * Z / (2 * n)) / denominator
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / denominator
    return max(0.0, centre - half), min(1.0, centre + half)
