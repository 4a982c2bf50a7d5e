import numpy as np
import pytest
from conftest import ready_clip, sql
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
        (WHOLE[:20], False),  # too short to tell
        (WHOLE[:0], False),
    ],
)
def test_the_same_recording_is_told_from_another(other: NDArray[np.uint32], is_same: bool) -> None:
    assert fingerprint.is_same(WHOLE, other) is is_same
    assert fingerprint.is_same(other, WHOLE) is is_same


def test_a_part_has_landmarks_of_the_whole_and_silence_has_none() -> None:
    marks = fingerprint.landmarks(WHOLE)
    assert len(marks) == 256
    assert len(set(marks) & set(fingerprint.landmarks(WHOLE[500:1000]))) > 30
    assert fingerprint.landmarks(np.full(500, 627964279, np.uint32)) == []


@pytest.mark.usefixtures("pipeline")
def test_the_first_to_come_has_the_recording() -> None:
    for name in ("first", "again", "other"):
        ready_clip(name)
    assert fingerprint.claim("youtube:first", WHOLE) is None
    assert fingerprint.claim("youtube:again", encoded_otherwise(WHOLE, 0.1)) == "youtube:first"
    assert fingerprint.claim("youtube:other", RNG.integers(0, 2**32, 2000, np.uint32)) is None
    assert fingerprint.claim("youtube:first", WHOLE) is None  # again, after a try that failed
    assert [row["source_id"] for row in sql("select source_id from catalog.source_fingerprint order by 1")] == [
        "youtube:first",
        "youtube:other",
    ]
    assert fingerprint.claim("youtube:again", WHOLE[:10]) is None
