"""Re-uploads: the same recording under another address, told by its Chromaprint.

Chromaprint (https://acoustid.org/chromaprint, the algorithm of D. Jang et al., "Pairwise boosted audio fingerprint",
IEEE TIFS 4 (2009)) gives 32 bits for each 0.124 s of audio. Another codec, rate or level changes few of them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include import catalog

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_NUMBERS = 11  # about 4 s; in less, chance agrees too often
WINDOW = 32  # numbers, about 4 s, that have to agree together
# Of all bits. Talks encoded anew (48 kbit/s MP3, 20 kbit/s Opus, begun 0.3 s later) differ in up to 0.14, other
# talks at their best offset in 0.26 and more of 4 s, 0.33 and more of 8 s.
MAX_BIT_ERRORS = 0.2
MAX_BIT_ERRORS_IF_SHORT = 0.15
MIN_COVERED = 0.5  # of the shorter recording
N_OFFSETS = 20  # a re-upload may leave out parts, and put others in
MIN_LANDMARKS = 64
LANDMARK_SHARE = 1 / 16  # so that minutes out of hours still have some of the hours' landmarks
MAX_REPEATS = 3  # in two minutes; a number that comes more often is silence or a steady tone


@dataclass(frozen=True)
class Like:
    """Another source with the same recording; `has_right`: it keeps the recording, it is not this one's copy."""

    source_id: str
    has_right: bool


def claim(source_id: str, fingerprint: "NDArray[np.uint32]") -> list[Like]:
    """Put a source's fingerprint into the catalog; other sources with the same recording that still count.

    Of two, the one keeps it on whose clips volunteers have worked; else the one that was known first, whichever was
    transcoded first. What was rejected, or is no longer there, does not count; what was taken down does.

    A transaction of its own, so that no other worker waits for the clips to be made. Recordings under about 4 s are
    not compared, and of those under about 8 s that were encoded anew some are missed: no number is left alike by which
    to find them.
    """
    if len(fingerprint) < MIN_NUMBERS:
        return []
    marks = landmarks(fingerprint)
    with catalog.connect() as connection:
        catalog.row(connection, "lock_fingerprints")
        found = catalog.rows(connection, "select_like_fingerprints", source_id=source_id, landmarks=marks)
        alike = [row for row in found if is_same(fingerprint, _from_bytes(row["fingerprint"]))]
        catalog.run(
            connection,
            "insert_fingerprint",
            source_id=source_id,
            fingerprint=fingerprint.astype("<u4").tobytes(),
            landmarks=marks,
        )
    return [Like(row["source_id"], row["has_right"]) for row in alike]


def _from_bytes(content: bytes) -> "NDArray[np.uint32]":
    import numpy as np

    return np.frombuffer(content, "<u4")


def _is_telling(fingerprint: "NDArray[np.uint32]") -> "NDArray[np.bool_]":
    """Which numbers are not silence or a steady tone, shape as given."""
    import numpy as np

    _, position, counts = np.unique(fingerprint, return_inverse=True, return_counts=True)
    return np.asarray(counts[position] <= max(MAX_REPEATS, MAX_REPEATS * len(fingerprint) // 1000))


def landmarks(fingerprint: "NDArray[np.uint32]") -> list[int]:
    """Numbers by which a recording is found, as Postgres' signed integers: a sixteenth of them, or 64.

    Those with the smallest hash: a recording and a part of it choose the same ones (A. Broder, "On the resemblance
    and containment of documents", 1997; L. Irber et al., "Lightweight compositional analysis of metagenomes with
    FracMinHash", 2022).
    """
    import numpy as np

    values = np.unique(fingerprint[_is_telling(fingerprint)])
    hashes = (values * np.uint32(2654435761)).astype(np.uint32)  # Knuth's multiplicative hash
    n_chosen = max(MIN_LANDMARKS, int((hashes < LANDMARK_SHARE * 2**32).sum()))
    chosen = values[np.argsort(hashes, kind="stable")[:n_chosen]]
    return [int(value) for value in np.sort(chosen).astype(np.uint32).view(np.int32)]


def is_same(first: "NDArray[np.uint32]", second: "NDArray[np.uint32]") -> bool:
    """Whether half of the shorter recording or more is in the other, wherever its parts lie there."""
    import numpy as np

    shorter, longer = sorted((first, second), key=len)
    is_telling = _is_telling(shorter) if len(shorter) else np.zeros(0, bool)
    if is_telling.sum() < MIN_NUMBERS:
        return False
    _, in_shorter, in_longer = np.intersect1d(shorter, longer, return_indices=True)
    offsets, votes = np.unique(in_longer.astype(int) - in_shorter, return_counts=True)
    is_found = np.zeros(len(shorter), bool)
    for offset in offsets[np.argsort(-votes, kind="stable")[:N_OFFSETS]]:
        start, end = max(0, -offset), min(len(shorter), len(longer) - offset)
        is_found[start:end] |= _agrees(shorter[start:end], longer[start + offset : end + offset])
    return bool((is_found & is_telling).sum() >= MIN_COVERED * is_telling.sum())


def _agrees(first: "NDArray[np.uint32]", second: "NDArray[np.uint32]") -> "NDArray[np.bool_]":
    """Which numbers of two stretches of one length lie in a window in which few bits differ."""
    import numpy as np

    window = min(WINDOW, len(first))
    if window < MIN_NUMBERS:
        return np.zeros(len(first), bool)
    allowed = 32 * window * (MAX_BIT_ERRORS if window == WINDOW else MAX_BIT_ERRORS_IF_SHORT)
    wrong = np.concatenate([[0], np.cumsum(np.bitwise_count(first ^ second), dtype=np.int64)])
    begins = np.flatnonzero(wrong[window:] - wrong[:-window] <= allowed)
    n_open = np.zeros(len(first) + 1, np.int64)
    n_open[begins] += 1
    n_open[begins + window] -= 1
    return np.asarray(np.cumsum(n_open)[:-1] > 0)
