"""Krippendorff's alpha against published worked examples."""

from typing import Any

import pytest

from include import agreement, settings
from tests.conftest import annotation, believe, merge

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: four observers, twelve units.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
RATINGS = [[value for value in unit if value is not None] for unit in zip(*OBSERVERS, strict=True)]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_the_published_one(level: str, alpha: float) -> None:
    assert agreement.alpha(RATINGS, level) == pytest.approx(alpha, abs=0.0006)


GAPS = ("*****34121133*3", "1*213343*******", "**21344*21133*4")


def ratings_of(*observers: str) -> list[list[int]]:
    """One line of digits an observer, a column a unit; a star is no rating."""
    return [[int(value) for value in unit if value != "*"] for unit in zip(*observers, strict=True)]


@pytest.mark.parametrize(
    ("observers", "level", "alpha"),
    [
        # The same paper's examples A (yes or no) and B (five categories, a to e as 1 to 5), two observers each.
        (("0100000010", "1110010000"), "nominal", 0.095),
        (("112243335441", "212223335444"), "nominal", 0.692),
        # Three observers with many gaps: https://en.wikipedia.org/wiki/Krippendorff%27s_alpha
        (GAPS, "nominal", 0.691),
        (GAPS, "interval", 0.811),
    ],
)  # fmt: skip
def test_alpha_is_the_published_one_for_other_shapes(observers: tuple[str, ...], level: str, alpha: float) -> None:
    assert agreement.alpha(ratings_of(*observers), level) == pytest.approx(alpha, abs=0.0006)


def test_there_is_no_alpha_without_pairs_or_without_difference() -> None:
    assert agreement.alpha([], "nominal") is None
    assert agreement.alpha([[1], [2], []], "nominal") is None
    assert agreement.alpha([[1, 1], [2]], "interval") is None


def test_sets_differ_by_masi() -> None:
    # Passonneau 2006: 1 - Jaccard x monotonicity (1, 2/3, 1/3, 0).
    masi = agreement.distance_of("nominal", [])
    a, b, ab, bc = frozenset("a"), frozenset("b"), frozenset("ab"), frozenset("bc")
    assert [masi(a, a), masi(a, b), masi(a, ab), masi(ab, bc)] == pytest.approx([0, 1, 1 - 1 / 3, 1 - 1 / 9])


def test_each_field_is_read_from_the_votes_that_count(pipeline: settings.Settings) -> None:
    said: list[dict[str, Any]] = [
        {"emotions": ["happy"], "arousal": 1, "gender": "male", "audio_quality": "good", "age_group": "20-39"},
        {"emotions": ["sad", "calm"], "arousal": 9, "gender": "female", "audio_quality": "poor", "age_group": "4-7"},
    ]
    rows = [
        annotation(f"youtube-abcdefghijk-{n}-9000", who, **{**said[n % 2], "valence": None})
        for n in range(4)
        for who in ("ada", "bo")
    ]
    merge([*rows, *(annotation(row["clip_id"], "noise", emotions=["angry"], arousal=5) for row in rows[::2])])
    believe("noise", state="blocked")
    found = agreement.by_field()
    assert {name: row["level"] for name, row in found.items()} == agreement.LEVELS
    for name in ("emotions", "arousal", "gender", "audio_quality", "age_group"):
        assert found[name]["alpha"] == pytest.approx(1.0), name
        assert (found[name]["n_clips"], found[name]["n_ratings"]) == (4, 8)
    assert found["valence"] == {"alpha": None, "level": "interval", "n_clips": 0, "n_ratings": 0}
