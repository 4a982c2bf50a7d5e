"""What was said, by consensus: several transcriptions of a clip, voted on word by word.

ROVER (`rover.py`) aligns the transcriptions and takes the most frequent word at each place. It starts from the one
nearest to all others and leaves out the farthest, so that one that is about something else does not bend the alignment.
"""

import re
from collections import Counter
from itertools import combinations, takewhile

from include import personal, rover

MAX_VOTERS = 5
MAX_WORDS = 300  # of one transcription; a clip has 30 s
_WORD = re.compile(r"[\w'’]+")


def publishable_consensus(texts: list[str]) -> str | None:
    """What several transcriptions come to; None if that holds what looks personal, as words of two texts may."""
    text = consensus(texts)
    return None if personal.is_personal(text) else text


def consensus(texts: list[str]) -> str:
    """What several transcriptions of the same speech come to, whatever their order.

    Case and punctuation don't count in the vote; the result has those of the most frequent text that says just
    this, if one does, and is in lower case without punctuation otherwise.
    """
    times = Counter(sorted(texts))
    spoken = {text: words(text) for text in times}
    voters: Counter[tuple[str, ...]] = Counter()
    for text, said in spoken.items():
        if said:
            voters[said] += times[text]
    if not voters:
        return times.most_common(1)[0][0]
    distance = dict.fromkeys(voters, 0)
    for one, other in combinations(voters, 2):
        n_edits = edit_distance(one, other)
        distance[one] += voters[other] * n_edits
        distance[other] += voters[one] * n_edits
    nearest = sorted(voters.elements(), key=lambda said: (distance[said], said))[:MAX_VOTERS]
    agreed = tuple(rover.vote(nearest))
    as_written = [text for text, said in spoken.items() if said == agreed]
    return max(as_written, key=times.__getitem__) if as_written else " ".join(agreed)


def words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation; at most MAX_WORDS."""
    return tuple(_WORD.findall(text.lower().replace("’", "'")))[:MAX_WORDS]


def edit_distance(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many words must be put in, left out or replaced to make one of the other.

    By bits: a column of the table of distances is two whole numbers, of the places where it grows and where it falls
    (Myers 1999, https://doi.org/10.1145/316542.316550, as Hyyrö 2003, "A bit-vector algorithm for computing
    Levenshtein and Damerau edit distances", has it).
    """
    n_begin = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    one, other = one[n_begin:], other[n_begin:]
    if not one or not other:
        return len(one) + len(other)
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    whole, last = (1 << len(one)) - 1, len(one) - 1
    distance, grows, falls = len(one), whole, 0
    for word in other:
        same = places.get(word, 0)
        diagonal = (((same & grows) + grows) ^ grows) | same | falls
        grows_along, falls_along = falls | ~(diagonal | grows), diagonal & grows
        distance += (grows_along >> last & 1) - (falls_along >> last & 1)
        grows_along, falls_along = grows_along << 1 | 1, falls_along << 1
        grows, falls = (falls_along | ~(diagonal | grows_along)) & whole, grows_along & diagonal & whole
    return distance


def word_error_rate(found: dict[str, str], truth: dict[str, str]) -> float:
    """Word errors of all texts by key, as a share of the truth's words. A key that is missing is all wrong."""
    n_errors = sum(edit_distance(words(text), words(found.get(key, ""))) for key, text in truth.items())
    return n_errors / sum(len(words(text)) for text in truth.values())
