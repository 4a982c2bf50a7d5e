"""Consensus of transcriptions."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from include import rover, settings, transcripts
from tests.conftest import annotation, believe, merge, sql

CLIP = "youtube-abcdefghijk-0-10000"
SAID = [
    "Shall I compare thee to a summer's day?", "shall I compare the to a summers day",
    "Shall I compare thee to a summer's bay?", "Shall I come pair thee to a summer's day",
]  # fmt: skip


def test_the_consensus_may_be_better_than_each_of_them() -> None:
    texts = ["one too three four", "one two tree four", "one two three for", "six"]
    assert transcripts.consensus(texts) == "one two three four"


@pytest.mark.parametrize("seed", range(3))
def test_the_vote_on_words_is_crowd_kits(seed: int) -> None:
    import pandas as pd
    from crowdkit.aggregation import ROVER

    rng = random.Random(seed)
    texts = {
        clip: [rng.choices(["a", "b", "cc", "d", "eee"], k=rng.randrange(1, 9)) for _ in range(rng.randrange(1, 6))]
        for clip in range(100)
    }
    data = pd.DataFrame(
        [(clip, n, " ".join(said)) for clip, given in texts.items() for n, said in enumerate(given)],
        columns=["task", "worker", "text"],
    )
    expected = ROVER(str.split, " ".join).fit_predict(data)
    assert {clip: " ".join(rover.vote(given)) for clip, given in texts.items()} == expected.to_dict()


few_words = st.lists(st.sampled_from(["a", "b", "cc"]), max_size=7)


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.lists(few_words, min_size=1, max_size=5))
def test_ends_that_are_alike_are_aligned_as_a_table_of_all_words_would(texts: list[list[str]]) -> None:
    aligned: list[rover.Place] = [{word: 1} for word in texts[0]]
    for n, words in enumerate(texts[1:], 1):
        expected = by_whole_table(aligned, words, n)
        rover._align(aligned, words, n)
        assert aligned == expected


def by_whole_table(places: list[rover.Place], words: list[str], n_aligned: int) -> list[rover.Place]:
    costs: dict[tuple[int, int], tuple[int, int]] = {(0, 0): (0, -1)}
    for j in range(1, len(places) + 1):
        costs[0, j] = j, rover.LEFT_OUT
    for i, word in enumerate(words, 1):
        costs[i, 0] = i, rover.PUT_IN
        for j, place in enumerate(places, 1):
            costs[i, j] = min(
                (costs[i - 1, j - 1][0] + (word not in place), rover.SAME_OR_OTHER),
                (costs[i, j - 1][0] + ("" not in place), rover.LEFT_OUT),
                (costs[i - 1, j][0] + 1, rover.PUT_IN),
            )
    found = []
    i, j = len(words), len(places)
    while i or j:
        step = costs[i, j][1]
        place = {"": n_aligned} if step == rover.PUT_IN else dict(places[j - 1])
        word = "" if step == rover.LEFT_OUT else words[i - 1]
        found.append({**place, word: place.get(word, 0) + 1})
        i, j = i - (step != rover.LEFT_OUT), j - (step != rover.PUT_IN)
    return found[::-1]


def test_the_order_of_the_texts_does_not_matter() -> None:
    found = {transcripts.consensus(list(order)) for order in itertools.permutations(SAID)}
    assert found == {"Shall I compare thee to a summer's day?"}


@pytest.mark.parametrize("texts", [["", "...", "!"], ["a", "b", "c"], ["é", "É", "e"], ["早上好", "早上好。", "早"]])
def test_odd_texts_have_a_consensus_too(texts: list[str]) -> None:
    assert isinstance(transcripts.consensus(texts), str)


def test_edits_are_counted_by_word() -> None:
    distance = transcripts.edit_distance
    assert distance((), ("a",)) == distance(("a",), ()) == distance(("a",), ("b",)) == 1
    assert distance(tuple("kitten"), tuple("sitting")) == 3
    assert transcripts.word_error_rate({"x": "A b, c!"}, {"x": "a b d", "y": "e"}) == pytest.approx(2 / 4)


@hypothesis_settings(max_examples=300, deadline=None)
@given(few_words, few_words)
def test_edits_are_the_fewest(one: list[str], other: list[str]) -> None:
    costs = {(i, j): i + j for i in range(len(one) + 1) for j in range(len(other) + 1)}
    for i, j in itertools.product(range(1, len(one) + 1), range(1, len(other) + 1)):
        other_word = costs[i - 1, j - 1] + (one[i - 1] != other[j - 1])
        costs[i, j] = min(costs[i - 1, j] + 1, costs[i, j - 1] + 1, other_word)
    assert transcripts.edit_distance(tuple(one), tuple(other)) == costs[len(one), len(other)]


def transcription() -> str | None:
    found: str | None = sql("select transcription from catalog.label")[0]["transcription"]
    return found


def test_a_label_has_the_consensus_of_those_who_count(pipeline: settings.Settings) -> None:
    merge([annotation(CLIP, f"r{n}", transcription=text) for n, text in enumerate(SAID)])
    assert transcription() == SAID[0]
    for n in (0, 2):
        believe(f"r{n}", state="blocked")
    merge([annotation(CLIP, "new", transcription="something else")])
    assert transcription() != SAID[0]


def test_a_personal_text_takes_no_part_and_none_comes_of_it(pipeline: settings.Settings) -> None:
    texts = ["mail ada@example.org now", "mail ada@example.org now", "mail her now", "mail him now", "male her now"]
    merge([annotation(CLIP, f"r{n}", transcription=text) for n, text in enumerate(texts)])
    assert transcription() == "mail her now"
