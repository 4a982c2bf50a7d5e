"""A vocabulary that goes on to a later version: what was said in earlier words counts as what it is today."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from include import labels, release, settings, vocabulary
from tests.conftest import annotation, merge, ready_clip, sql

CLIP = "youtube-abcdefghijk-0-500"
LATER = """
version: "2099-01"
earlier:
  "2023-12+neutral":
    added: [serene]
    renamed: {gloomy: bleak}
families:
  delight: [happy, cheerful]
  gloom: [sad, bleak]
  peace: [calm, neutral, serene]
"""


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the later vocabulary in the place of the one there is, once a test calls for it."""
    path = tmp_path / "vocabulary.yaml"
    path.write_text(LATER)
    forget()
    monkeypatch.setattr(vocabulary, "PATH", path)


def forget() -> None:
    """Let the vocabulary be read again."""
    for function in (vocabulary.load, vocabulary.versions, vocabulary.words_of, vocabulary._content):
        function.cache_clear()


@pytest.fixture(autouse=True)
def _forget_afterwards() -> Iterator[None]:
    yield
    forget()


def test_labels_follow_to_a_later_version_and_annotations_stay(
    pipeline: settings.Settings, request: pytest.FixtureRequest
) -> None:
    first = vocabulary.load()[0]
    ready_clip("abcdefghijk")
    merge([annotation(CLIP, "ada", emotions=["gloomy", "happy"]), annotation(CLIP, "bo", emotions=["sad"])])
    assert sql("select word_votes from catalog.label")[0]["word_votes"] == {"gloomy": 1, "happy": 1, "sad": 1}
    request.getfixturevalue("later")
    merge([
        annotation(CLIP, "cy", emotions=["bleak", "serene"]),
        annotation(CLIP, "di", emotions=["gloomy"], vocabulary_version=first),
    ])  # fmt: skip
    (found,) = sql("select * from catalog.label")
    assert found["word_votes"] == {"bleak": 3, "happy": 1, "sad": 1, "serene": 1}
    assert found["emotion_votes"] == {"gloom": 4, "delight": 1, "peace": 1}
    assert found["vocabulary_version"] == "2099-01"
    assert merge([annotation(CLIP, "ed", emotions=["gloomy"])])["rejected"] == 1
    assert merge([annotation(CLIP, "ed", emotions=["serene"], vocabulary_version=first)])["rejected"] == 1
    said = sql("select vocabulary_version, emotions from catalog.annotation where annotator_id = 'ada'")
    assert said == [{"vocabulary_version": first, "emotions": ["gloomy", "happy"]}]
    release.freeze("2026.01.01")
    assert sql("select vocabulary_version from catalog.release") == [{"vocabulary_version": "2099-01"}]


def test_a_relabel_brings_clips_without_new_votes_to_the_later_version(
    pipeline: settings.Settings, request: pytest.FixtureRequest
) -> None:
    merge([annotation(CLIP, "ada", emotions=["gloomy"])])
    request.getfixturevalue("later")
    labels.renew_all()
    assert sql("select emotion_votes, word_votes, vocabulary_version from catalog.label") == [
        {"emotion_votes": {"gloom": 1}, "word_votes": {"bleak": 1}, "vocabulary_version": "2099-01"}
    ]


def test_a_version_mapped_to_a_word_that_is_none_is_refused(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    request.getfixturevalue("later")
    vocabulary.PATH.write_text(LATER.replace("gloomy: bleak", "gloomy: dreary"))
    with pytest.raises(ValueError, match="mapped to unknown words: dreary"):
        vocabulary.words_of("2023-12+neutral")


def test_neutral_is_a_family_of_its_own() -> None:
    version, families = vocabulary.load()
    assert version == "2023-12+neutral"
    assert families["neutral"] == "neutral"
    assert [word for word, family in families.items() if family == "neutral"] == ["neutral"]
    assert "neutral" not in vocabulary.words_of("2023-12")
