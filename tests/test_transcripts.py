"""Consensus of transcriptions."""

import itertools
import random

import pytest

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
