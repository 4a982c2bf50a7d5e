"""Whom to believe: simulated annotators of known reliability, and each signal by itself."""

import random
from typing import Any

import pytest

from include import annotations, dawid_skene, labels, raters, settings
from tests.conftest import annotation, believe, merge, sql

WORDS = ["happy", "sad", "calm", "angry", "afraid", "neutral"]
EVIDENCE: dict[str, Any] = {
    "n_annotations": 100, "n_questions": 100, "informedness": 0.6, "n_gold": 0, "n_gold_right": 0, "n_timed": 100,
    "fast_share": 0.0, "same_share": 0.2, "n_described": 50, "pasted_share": 0.0,
}  # fmt: skip


def clip_id(n: int) -> str:
    return f"youtube-abcdefghijk-{n}-9000"


def simulate(reliability: dict[str, float], n_clips: int = 60, seed: int = 1) -> list[dict[str, Any]]:
    """Each annotator gives the truth as often as they are reliable, and otherwise anything."""
    rng = random.Random(seed)
    rows = []
    for n in range(n_clips):
        word, arousal = rng.choice(WORDS), rng.randint(0, 10)
        for who, share in reliability.items():
            is_right = rng.random() < share
            said = {"emotions": [word if is_right else rng.choice(WORDS)]}
            said |= {"arousal": arousal if is_right else rng.randint(0, 10), "valence": rng.randint(-5, 5)}
            rows.append(annotation(clip_id(n), who, **said))
    return rows


def annotators() -> dict[str, dict[str, Any]]:
    return {row["annotator_id"]: row for row in raters.evidence()}


def test_the_unreliable_weigh_less_and_the_random_are_found(pipeline: settings.Settings) -> None:
    merge(simulate({"good": 0.95, "fair": 0.9, "also": 0.9, "poor": 0.5, "dice": 0.0}))
    found = annotators()
    weights = {who: row["weight"] for who, row in found.items()}
    assert weights["good"] > weights["poor"] > weights["dice"]
    assert found["dice"]["state"] == "watched"
    assert found["dice"]["evidence"]["signals"] == ["disagrees"]
    assert found["good"]["state"] == "trusted"
    assert found["good"]["arousal_weight"] > found["poor"]["arousal_weight"] > found["dice"]["arousal_weight"]


def test_an_arousal_weight_is_the_correlation_with_the_mean_of_all(pipeline: settings.Settings) -> None:
    import numpy as np

    rows = simulate({"a": 0.9, "b": 0.7, "c": 0.2}, n_clips=30)
    merge(rows)
    said = {who: np.array([r["arousal"] for r in rows if r["annotator_id"] == who]) for who in "abc"}
    mean = np.mean(list(said.values()), axis=0)
    for who, found in annotators().items():
        expected = max(0.0, float(np.corrcoef(said[who], mean)[0, 1]))
        assert found["arousal_weight"] == pytest.approx(expected, abs=1e-6)


def test_the_weighted_mean_is_grimm_and_kroschels(pipeline: settings.Settings) -> None:
    rows = simulate({"a": 0.9, "b": 0.7, "c": 0.2}, n_clips=30)
    merge(rows)
    weight = {who: row["arousal_weight"] for who, row in annotators().items()}
    for n in (0, 7):
        votes = [r for r in rows if r["clip_id"] == clip_id(n)]
        expected = sum(weight[r["annotator_id"]] * r["arousal"] for r in votes) / sum(weight.values())
        (found,) = sql("select arousal_weighted from catalog.label where clip_id = %s", clip_id(n))
        assert found["arousal_weighted"] == pytest.approx(expected)


def test_weights_stay_one_until_enough_is_known(pipeline: settings.Settings) -> None:
    merge(simulate({"a": 1.0, "b": 1.0, "c": 0.0}, n_clips=3))
    assert {row["weight"] for row in annotators().values()} == {1.0}
    assert {row["state"] for row in annotators().values()} == {"new"}


@pytest.mark.parametrize(
    ("evidence", "signals", "state"),
    [
        ({}, [], "trusted"),
        ({"n_annotations": 49}, [], "new"),
        ({"fast_share": 0.6}, ["too_fast"], "watched"),
        ({"fast_share": 0.6, "n_timed": 9}, [], "trusted"),
        ({"same_share": 0.95}, ["same_answers"], "watched"),
        ({"pasted_share": 0.6}, ["pasted"], "watched"),
        ({"informedness": 0.05}, ["disagrees"], "watched"),
        ({"fast_share": 0.9, "pasted_share": 0.9}, ["too_fast", "pasted"], "blocked"),
        ({"fast_share": 0.9, "informedness": 0.0}, ["too_fast", "disagrees"], "watched"),
        ({"n_gold": 10, "n_gold_right": 2}, ["fails_gold"], "blocked"),
        ({"n_gold": 4, "n_gold_right": 0}, [], "trusted"),
        ({"n_gold": 10, "n_gold_right": 6}, [], "trusted"),
    ],
)
def test_signals_have_floors_and_two_of_ones_own_block(
    evidence: dict[str, Any], signals: list[str], state: str
) -> None:
    found = raters.weigh({**EVIDENCE, **evidence}, 0.6)
    assert (found["signals"], found["state"]) == (signals, state)


def test_signals_are_measured_on_what_was_said(pipeline: settings.Settings) -> None:
    text = "A man speaks with a low voice"
    rows = [
        annotation(clip_id(n), "x", time_spent_s=1, audio_description=text if n % 2 else f"{text} {n}")
        for n in range(20)
    ]
    named = {"url": "https://youtu.be/abcdefghijk", "end_s": 9.0}
    merge([{**row, **named, "start_s": n / 1000, "clip_id": None} for n, row in enumerate(rows)])
    sql("insert into catalog.gold_answer (clip_id, families, arousal_max) values (%s, %s, 9)", clip_id(0), ["neutral"])
    sql("insert into catalog.gold_answer (clip_id, families) values (%s, %s)", clip_id(1), ["disgusted"])
    sql("insert into catalog.gold_answer (clip_id, arousal_min) values (%s, 6)", clip_id(2))
    labels.renew_all()
    found = annotators()["x"]["evidence"]
    assert (found["n_annotations"], found["n_gold"], found["n_gold_right"]) == (20, 3, 1)
    assert (found["n_timed"], found["fast_share"], found["same_share"]) == (20, 1.0, 1.0)
    assert (found["n_described"], found["pasted_share"]) == (20, pytest.approx(1 - 11 / 20))
    assert found["signals"] == ["too_fast", "same_answers"]


def label(n: int = 0) -> dict[str, Any]:
    (found,) = sql("select * from catalog.label where clip_id = %s", clip_id(n))
    return found


def test_a_block_takes_all_votes_out_at_the_next_merge_and_its_end_brings_them_back(
    pipeline: settings.Settings,
) -> None:
    merge([annotation(clip_id(n), who) for n in range(3) for who in ("ada", "bo")])
    believe("bo", state="blocked")
    assert label()["n_raters"] == 2
    merge([annotation(clip_id(9), "cy")])
    assert [label(n)["n_raters"] for n in (0, 1, 2, 9)] == [1, 1, 1, 1]
    assert raters.overrule("bo", None, None, "")
    merge([annotation(clip_id(8), "cy")])
    assert [label(n)["n_raters"] for n in range(3)] == [2, 2, 2]


def test_a_decision_stands_above_the_evidence(pipeline: settings.Settings) -> None:
    rows = simulate({"good": 0.95, "fair": 0.9, "also": 0.9, "dice": 0.0})
    merge(rows)
    believe("dice", state="trusted", weight=1.5)
    merge([annotation(clip_id(1), "dice")])
    found = annotators()["dice"]
    assert (found["state"], found["weight"], found["evidence"]["state"]) == ("trusted", 1.5, "watched")
    assert not raters.overrule("nobody", "blocked", None, "x")


def test_new_weights_move_only_clips_with_new_votes_until_a_relabel(pipeline: settings.Settings) -> None:
    merge(simulate({"good": 0.95, "fair": 0.9, "poor": 0.3}))
    before = label(5)
    believe("poor", weight=0)
    merge([annotation(clip_id(6), "good")])
    assert label(5) == before
    labels.renew_all()
    assert label(5) != before


def test_weights_do_not_hang_on_how_rows_are_cut_into_files(pipeline: settings.Settings) -> None:
    rows = simulate({"good": 0.95, "fair": 0.9, "poor": 0.4, "dice": 0.0})
    merge(rows)
    whole = (annotators(), sql("select * from catalog.label order by clip_id"))
    sql("truncate catalog.annotation, catalog.label, catalog.annotator cascade")
    random.Random(2).shuffle(rows)
    for first in range(0, len(rows), 50):
        merge(rows[first : first + 50], f"{first}.jsonl")
    labels.renew_all()
    again = (annotators(), sql("select * from catalog.label order by clip_id"))
    for found in (whole[0], again[0]):
        for row in found.values():
            row["evidence"].pop("renewed_at")
    assert again == whole


def test_a_person_decides_on_what_is_held_and_later_reports_hold_it_again(pipeline: settings.Settings) -> None:
    merge([annotation(clip_id(0), "ada", reports=["sexual"]), annotation(clip_id(0), "bo")])
    assert label()["is_held"]
    assert labels.decide(clip_id(0), False, "a biology lecture")
    assert not label()["is_held"]
    merge([annotation(clip_id(0), "cy")])
    assert not label()["is_held"]
    merge([annotation(clip_id(0), "di", reports=["hate_speech"])])
    assert label()["is_held"]
    assert labels.decide(clip_id(1), True, "x") is False
    assert labels.decide(clip_id(0), True, "it is")
    assert label()["is_held"]


def test_no_evidence_no_renewal(pipeline: settings.Settings) -> None:
    assert annotations.merge_stream(__import__("io").BytesIO(b""), "a.jsonl")["labels"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_what_answers_tell_is_crowd_kits_dawid_skene(seed: int) -> None:
    import numpy as np
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    rng = np.random.default_rng(seed)
    reliability, rows = rng.uniform(0.2, 1, 12), []
    for question in range(200):
        is_true = rng.random() < 0.3
        for who in rng.choice(11, rng.integers(1, 5), replace=False):
            rows.append((question, who, bool(is_true if rng.random() < reliability[who] else rng.random() < 0.4)))
    rows = [(question, who, is_yes and who != seed) for question, who, is_yes in rows]  # one never says yes
    data = pd.DataFrame(rows, columns=["task", "worker", "label"])
    errors = DawidSkene(n_iter=dawid_skene.ITERATIONS).fit(data).errors_
    assert errors is not None
    said_yes = errors.xs(True, level="label").reindex(range(11), fill_value=0.0)
    found = dawid_skene.informedness(*(data[name].to_numpy() for name in data.columns), n_raters=12)
    assert found[:11] == pytest.approx((said_yes[True] - said_yes[False]).to_numpy(), abs=1e-12)
    assert np.isnan(found[11])


def test_who_is_never_contradicted_tells_nothing() -> None:
    import numpy as np

    question, rater = np.array([0, 0, 1]), np.array([0, 1, 0])
    assert np.isnan(dawid_skene.informedness(question, rater, np.array([True, True, True]), 2)).all()
    nobody = np.array([], int)
    assert np.isnan(dawid_skene.informedness(nobody, nobody, nobody.astype(bool), 2)).all()
