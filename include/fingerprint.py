"""Re-uploads: the same recording under another address, told by its Chromaprint.

Chromaprint (https://acoustid.org/chromaprint, the algorithm of D. Jang et al., "Pairwise boosted audio fingerprint",
IEEE TIFS 4 (2009)) gives 32 bits for each 0.124 s of audio. Another codec, rate or level changes few of them.
"""

from typing import TYPE_CHECKING

from include import catalog

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_NUMBERS = 32  # about 6.5 s; in less, chance agrees too often
N_LANDMARKS = 256
MAX_REPEATS = 3  # a number that comes more often is silence or a steady tone
MAX_BIT_ERRORS = 0.2  # of all bits; unrelated recordings have 0.4 to 0.5, another encoding under 0.15
MIN_COVERED = 0.5  # of the shorter recording


def claim(source_id: str, fingerprint: "NDArray[np.uint32]") -> str | None:
    """Put a source's fingerprint into the catalog, unless a source with the same recording was there before: its id.

    A transaction of its own, so that no other worker waits for the clips to be made. Recordings under about 6.5 s
    are not compared.
    """
    if len(fingerprint) < MIN_NUMBERS:
        return None
    marks = landmarks(fingerprint)
    with catalog.connect() as connection:
        catalog.row(connection, "lock_fingerprints")
        for other in catalog.rows(connection, "select_like_fingerprints", source_id=source_id, landmarks=marks):
            if is_same(fingerprint, _from_bytes(other["fingerprint"])):
                return str(other["source_id"])
        catalog.run(
            connection,
            "insert_fingerprint",
            source_id=source_id,
            fingerprint=fingerprint.astype("<u4").tobytes(),
            landmarks=marks,
        )
    return None


def _from_bytes(content: bytes) -> "NDArray[np.uint32]":
    import numpy as np

    return np.frombuffer(content, "<u4")


def landmarks(fingerprint: "NDArray[np.uint32]") -> list[int]:
    """Up to 256 numbers by which a recording is found, as Postgres' signed integers.

    Those with the smallest hash: a recording and a part of it choose the same ones (A. Broder, "On the resemblance
    and containment of documents", 1997).
    """
    import numpy as np

    values, counts = np.unique(fingerprint, return_counts=True)
    values = values[counts <= MAX_REPEATS]
    hashes = (values * np.uint32(2654435761)).astype(np.uint32)  # Knuth's multiplicative hash
    chosen = values[np.argsort(hashes, kind="stable")[:N_LANDMARKS]]
    return [int(value) for value in np.sort(chosen).astype(np.uint32).view(np.int32)]


def is_same(first: "NDArray[np.uint32]", second: "NDArray[np.uint32]") -> bool:
    """Whether two fingerprints agree, at some offset, over half of the shorter one or more."""
    import numpy as np

    shorter = min(len(first), len(second))
    _, in_first, in_second = np.intersect1d(first, second, return_indices=True)
    if shorter < MIN_NUMBERS or len(in_first) == 0:
        return False
    offsets, votes = np.unique(in_second.astype(int) - in_first, return_counts=True)
    for offset in offsets[np.argsort(-votes, kind="stable")[:5]]:
        a, b = (first, second[offset:]) if offset >= 0 else (first[-offset:], second)
        n_common = min(len(a), len(b))
        if n_common < shorter * MIN_COVERED:
            continue
        n_wrong = int(np.bitwise_count(a[:n_common] ^ b[:n_common]).sum(dtype=np.int64))
        if n_wrong <= MAX_BIT_ERRORS * 32 * n_common:
            return True
    return False
