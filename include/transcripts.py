"""What was said, by consensus: several transcriptions of a clip, voted on word by word.

ROVER (`rover.py`) aligns the transcriptions and takes the most frequent word at each place. It starts from the one
nearest to all others and leaves out the farthest, so that one that is about something else does not bend the alignment.
"""

import re
from collections import Counter

from include import personal, rover

MAX_VOTERS = 5
MAX_WORDS = 300  # of one transcription; a clip has 30 s
_WORD = re.compile(r"[\w'’]+")


def publishable_consensus(texts: list[str]) -> str | None:
    """What several transcriptions come to; None if that holds what looks personal, as words of two texts may."""
    text = consensus(sorted(texts))
    return None if personal.is_personal(text) else text


def consensus(texts: list[str]) -> str:
    """What several transcriptions of the same speech come to, whatever their order.

    Case and punctuation don't count in the vote; the result has those of the most frequent text that says just
    this, if one does, and is in lower case without punctuation otherwise.
    """
    spoken = [(words(text), text) for text in sorted(texts)]
    voters = sorted(said for said, _ in spoken if said)
    if not voters:
        return Counter(sorted(texts)).most_common(1)[0][0]
    distance = {said: sum(edit_distance(said, other) for other in voters) for said in set(map(tuple, voters))}
    nearest = sorted(voters, key=lambda said: (distance[tuple(said)], said))[:MAX_VOTERS]
    agreed = " ".join(rover.vote(nearest))
    as_written = Counter(text for said, text in spoken if " ".join(said) == agreed)
    return as_written.most_common(1)[0][0] if as_written else agreed


def words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation; at most MAX_WORDS."""
    return tuple(_WORD.findall(text.lower().replace("’", "'")))[:MAX_WORDS]


def edit_distance(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many words must be put in, left out or replaced to make one of the other."""
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, 1):
        corner, row[0] = row[0], i
        for j, against in enumerate(other, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (word != against))
    return row[-1]


def word_error_rate(found: dict[str, str], truth: dict[str, str]) -> float:
    """Word errors of all texts by key, as a share of the truth's words. A key that is missing is all wrong."""
    n_errors = sum(edit_distance(words(text), words(found.get(key, ""))) for key, text in truth.items())
    return n_errors / sum(len(words(text)) for text in truth.values())
