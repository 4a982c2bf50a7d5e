"""Bias tables against the same figures made plainly."""

import random
import statistics

import pytest

from include import bias, card, catalog, release, settings, store
from tests.conftest import annotation, merge, publish_unchecked, ready_clip, sql


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
    half = 3.182 * statistics.stdev(arousal) / 2  # Student's t of 3 degrees of freedom
    assert (male["group"], male["n_clips"], male["arousal_mean"]) == ("male", 4, 4.5)
    assert (male["arousal_low"], male["arousal_high"]) == pytest.approx((4.5 - half, 4.5 + half), abs=1e-3)
    rate = male["emotion_rates"]["sad_and_despondent"]
    assert tuple(rate.values()) == pytest.approx((0.75, *bias.share_interval(3, 4)))
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


def test_clips_of_one_speaker_group_are_not_taken_for_independent() -> None:
    rng = random.Random(7)
    clusters = [[rng.gauss(mu, 1) for _ in range(rng.randint(1, 40))] for mu in (0, 1, 2, 5, 9)]
    values = [value for cluster in clusters for value in cluster]
    mean, variance = bias.clustered_mean([(sum(cluster), len(cluster)) for cluster in clusters])
    assert mean == pytest.approx(statistics.fmean(values))
    # The sandwich of a regression on a constant, written out: (X'X)^-1 [sum of u_g u_g'] (X'X)^-1 G/(G-1).
    scores = [sum(value - mean for value in cluster) for cluster in clusters]
    assert variance == pytest.approx(5 / 4 * sum(score**2 for score in scores) / len(values) ** 2)
    assert variance > 5 * statistics.variance(values) / len(values)
    # One value a cluster: the textbook's variance of a mean.
    assert bias.clustered_mean([(v, 1) for v in values])[1] == pytest.approx(statistics.variance(values) / len(values))
    assert bias.clustered_mean([]) == (None, None)
    assert bias.clustered_mean([(6.0, 3)]) == (2.0, None)


def test_a_mean_has_students_interval() -> None:
    # Student's t, 0.975: 12.706 for one degree of freedom, 2.776 for four.
    assert bias.mean_interval(10.0, 4.0, 2) == pytest.approx((10 - 25.412, 10 + 25.412), abs=1e-2)
    assert bias.mean_interval(0.0, 1.0, 5) == pytest.approx((-2.776, 2.776), abs=1e-3)
    assert bias.mean_interval(1.0, None, 1) == (None, None)


def test_annotators_rates_count_each_person_once(pipeline: settings.Settings) -> None:
    busy, idle = [ready_clip(f"abcdefghi0{n}") for n in range(4)], ready_clip("abcdefghijk")
    merge([annotation(clip_id, "rater-0", emotions=["sad"]) for clip_id in busy])
    merge([annotation(idle, f"rater-{n}", emotions=["happy", "cheerful"]) for n in range(1, 5)])
    merge([annotation(idle, "rater-0", retracted=True), annotation(busy[0], "rater-0", emotions=["sad", "calm"])])
    for n in range(5):
        sql("insert into catalog.annotator_profile (annotator_id, first_language) values (%s, 'en')", f"rater-{n}")
    (found,) = bias.votes_by_annotator("first_language")
    rates = {family: rate["rate"] for family, rate in found["emotion_rates"].items()}
    assert rates == pytest.approx(
        {"happy_and_energetic": 0.8, "sad_and_despondent": 0.2, "calm_and_composed": 0.25 / 5}
    )


def released(version: str) -> str:
    """Build a release without its checks; the text of its card."""
    publish_unchecked(version)
    return store.read_bytes(f"releases/{version}/README.md").decode()


def section(text: str) -> str:
    return text.split("## Bias, by group\n")[1].split("\n## ")[0]


def test_the_card_shows_the_tables_of_its_release_and_no_small_group(pipeline: settings.Settings) -> None:
    rng = random.Random(1)
    for n in range(11):
        said = {"gender": "female", "language": "en-GB"} if n < 5 else {"gender": "male", "language": "de"}
        if n == 10:
            said = {"gender": "other", "language": "fr"}
        clip_id = ready_clip(f"abcdefghi{n:02}", channel=f"channel-{n}", duration_s=1.0)
        merge([annotation(clip_id, f"rater-{r}", arousal=rng.randrange(11), **said) for r in range(5)])
    for n in range(5):
        sql("insert into catalog.annotator_profile (annotator_id, gender) values (%s, 'female')", f"rater-{n}")
    text = section(released("2026.01.01"))
    assert "| en | unknown | female | unknown | 5 | 5 | 0.001 |" in text
    assert "| de | unknown | male | unknown | 5 | 5 | 0.001 |" in text
    assert "fr" not in text.split()
    (female,) = [row for row in bias.labels_by_speaker("gender", "2026.01.01") if row["group"] == "female"]
    told = [f"{female[f'arousal_{name}']:.2f}" for name in ("mean", "low", "high")]
    assert "| female | 5 | 5 | {} ({} to {}) | 0.00 (0.00 to 0.00) | neutral 100 % (57–100) |".format(*told) in text
    assert "| other |" not in text
    assert "No two groups of annotators of five or more" in text
    for n in range(5, 10):
        merge([annotation(f"youtube-abcdefghi{n:02}-0-1000", f"rater-{n}", arousal=9, emotions=["angry"])])
        sql("insert into catalog.annotator_profile (annotator_id, gender) values (%s, 'male')", f"rater-{n}")
    # What came after the freeze is in none of its tables.
    manifest = release.read_manifest("2026.01.01")
    card.write("2026.01.01", "releases/2026.01.01", manifest, lambda: None)
    assert section(store.read_bytes("releases/2026.01.01/README.md").decode()) == text
    text = section(released("2026.01.02"))
    assert "How votes differ by annotators&#39; own gender" in text or "by annotators' own gender" in text
    assert "| male | 5 | 9.00 (9.00 to 9.00) | 0.00 (0.00 to 0.00) | angry and irritated 100 % (100–100) |" in text
    assert "rater-" not in text


def test_an_empty_release_has_no_groups(pipeline: settings.Settings) -> None:
    with catalog.connect() as connection:
        catalog.run(connection, "create_card_clip", version="2026.01.01")
        found = bias.for_card(connection, "2026.01.01")
    assert found == {"composition": [], "speakers": [], "annotators": []}
