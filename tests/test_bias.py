"""Bias tables against the same figures made plainly."""

import statistics

import pytest

from include import bias, settings
from tests.conftest import annotation, merge, ready_clip, sql


def test_who_is_in_the_data(pipeline: settings.Settings) -> None:
    for n, gender in enumerate(("male", "male", "female")):
        clip_id = ready_clip(f"abcdefghij{n}", channel="one", duration_s=1.5)
        merge([annotation(clip_id, "ada", gender=gender, age_group="20-39", accent="irish", language="en")])
    found = bias.composition()
    assert [(row["language"], row["accent"], row["gender"], row["age_group"]) for row in found] == [
        ("en", "irish", "male", "20-39"), ("en", "irish", "female", "20-39"),
    ]  # fmt: skip
    assert [(row["n_clips"], row["n_speaker_groups"]) for row in found] == [(2, 1), (1, 1)]
    assert float(found[0]["duration_h"]) == pytest.approx(3 / 3600)


def test_how_labels_differ_between_speakers(pipeline: settings.Settings) -> None:
    arousal = [1, 2, 6, 9]
    for n, value in enumerate(arousal):
        clip_id = ready_clip(f"abcdefghij{n}")
        merge([annotation(clip_id, "ada", gender="male", arousal=value, emotions=["sad"] if n else ["happy"])])
    merge([annotation(ready_clip("abcdefghij9"), "ada", gender="female", emotions=[], arousal=None)])
    male, female = bias.labels_by_speaker("gender")
    half = 1.96 * statistics.stdev(arousal) / 2
    assert (male["group"], male["n_clips"], male["arousal_mean"]) == ("male", 4, 4.5)
    assert (male["arousal_low"], male["arousal_high"]) == pytest.approx((4.5 - half, 4.5 + half))
    assert male["emotion_rates"]["sad_and_despondent"]["rate"] == 0.75
    assert (female["group"], female["arousal_mean"], female["arousal_low"]) == ("female", None, None)
    assert female["emotion_rates"] == {}


def test_a_shares_interval_is_wilsons() -> None:
    # Newcombe 1998, Statistics in Medicine 17: 81 of 263 and 0 of 20.
    assert bias.share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert bias.share_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_small_groups_of_annotators_are_blanked(pipeline: settings.Settings) -> None:
    clip_id = ready_clip("abcdefghijk")
    merge([annotation(clip_id, f"rater-{n}", arousal=n) for n in range(9)])
    for n in range(9):
        sql(
            "insert into catalog.annotator_profile (annotator_id, gender) values (%s, %s)",
            *(f"rater-{n}", "female" if n < 5 else "male"),
        )
    female, male = bias.votes_by_annotator("gender")
    assert (female["n_annotators"], female["arousal_mean"]) == (5, 2.0)
    assert male == {"group": "male", "n_annotators": None, "is_blanked": True}
    assert bias.votes_by_annotator("age_group") == []
