import numpy as np
import pytest
from conftest import agreed, ready_clip, sql
from numpy.typing import NDArray

from include import fingerprint

RNG = np.random.default_rng(11)
WHOLE = RNG.integers(0, 2**32, 2000, np.uint32)


def encoded_otherwise(numbers: NDArray[np.uint32], share: float) -> NDArray[np.uint32]:
    """The same with a share of its bits turned round."""
    bits = np.random.default_rng(12).random((len(numbers), 32)) < share
    return np.asarray(numbers ^ (bits * (1 << np.arange(32, dtype=np.uint64))).sum(axis=1).astype(np.uint32))


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (WHOLE, True),
        (encoded_otherwise(WHOLE, 0.1), True),
        (encoded_otherwise(WHOLE[700:1100], 0.05), True),  # a part of it
        (np.concatenate([RNG.integers(0, 2**32, 50, np.uint32), WHOLE]), True),  # after an intro
        (np.concatenate([WHOLE[:60], RNG.integers(0, 2**32, 1500, np.uint32)]), False),  # only a jingle in common
        (RNG.integers(0, 2**32, 2000, np.uint32), False),
        (
            np.concatenate([WHOLE[900:1400], RNG.integers(0, 2**32, 240, np.uint32), WHOLE[1400:1900]]),
            True,
        ),  # an advert
        (np.concatenate([WHOLE[n : n + 100] for n in (1700, 100, 900, 400)]), True),  # parts, in another order
        (encoded_otherwise(WHOLE[300:320], 0.05), True),  # 5 s
        (WHOLE[:10], False),  # too short to tell
        (WHOLE[:0], False),
    ],
)
def test_the_same_recording_is_told_from_another(other: NDArray[np.uint32], is_same: bool) -> None:
    assert fingerprint.is_same(WHOLE, other) is is_same
    assert fingerprint.is_same(other, WHOLE) is is_same


def test_silence_is_not_what_makes_two_recordings_alike() -> None:
    silence = np.full(1000, 627964279, np.uint32)
    for other in (RNG.integers(0, 2**32, 500, np.uint32), silence[:0]):
        assert not fingerprint.is_same(np.concatenate([silence, other]), np.concatenate([WHOLE[:500], silence]))


def test_minutes_out_of_hours_have_their_landmarks() -> None:
    hours = np.random.default_rng(13).integers(0, 2**32, 87_000, np.uint32)  # 3 h
    marks = fingerprint.landmarks(hours)
    assert len(marks) == pytest.approx(87_000 / 16, rel=0.1)
    assert len(set(marks) & set(fingerprint.landmarks(encoded_otherwise(hours[60_000:62_400], 0.02)))) > 30
    assert len(fingerprint.landmarks(WHOLE[:500])) == 64
    assert fingerprint.landmarks(np.full(500, 627964279, np.uint32)) == []


def claim(name: str, numbers: NDArray[np.uint32]) -> list[tuple[str, bool]]:
    return [(like.source_id, like.has_right) for like in fingerprint.claim(f"youtube:{name}", numbers)]


@pytest.mark.usefixtures("pipeline")
def test_who_was_known_first_has_the_recording_whichever_came_first() -> None:
    for name in ("first", "again", "other"):
        ready_clip(name)
    assert claim("again", encoded_otherwise(WHOLE, 0.1)) == []
    assert claim("first", WHOLE) == [("youtube:again", False)]
    assert claim("again", encoded_otherwise(WHOLE, 0.1)) == [("youtube:first", True)]
    assert claim("other", RNG.integers(0, 2**32, 2000, np.uint32)) == []
    assert claim("first", WHOLE[:10]) == []


@pytest.mark.usefixtures("pipeline")
def test_what_volunteers_have_worked_on_stays() -> None:
    ready_clip("first")
    agreed([ready_clip("again")], n_raters=1)
    assert claim("again", WHOLE) == []
    assert claim("first", WHOLE) == [("youtube:again", True)]
    assert claim("again", WHOLE) == [("youtube:first", False)]


@pytest.mark.usefixtures("pipeline")
@pytest.mark.parametrize(
    ("state", "counts"), [("gone", False), ("rejected", False), ("blocked", True), ("ready", True)]
)
def test_what_gives_no_clip_has_no_copies_but_a_take_down_has(state: str, counts: bool) -> None:
    for name in ("first", "again"):
        ready_clip(name)
    claim("first", WHOLE)
    sql("update catalog.clip set state = %s, reason = 'a test' where source_id = 'youtube:first'", state)
    assert claim("again", WHOLE) == ([("youtube:first", True)] if counts else [])
