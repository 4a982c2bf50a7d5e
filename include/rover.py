"""Several word sequences into one: aligned one after the other, and at each place the most frequent word taken.

ROVER (Fiscus 1997, https://doi.org/10.1109/ASRU.1997.659110), as crowd-kit has it: a test compares. Importing
crowd-kit takes seconds, which each merge with a disputed transcription would pay (docs/decisions/).
"""

from collections.abc import Sequence
from itertools import takewhile

Place = dict[str, int]  # how many sequences have which word here; "" is none
SAME_OR_OTHER, LEFT_OUT, PUT_IN = range(3)


def vote(sequences: Sequence[Sequence[str]]) -> list[str]:
    """The words that most sequences agree on; of equals the longer, then the later by name. There is a first one."""
    n_first = sum(1 for _ in takewhile(lambda words: words == sequences[0], sequences))
    places: list[Place] = [{word: n_first} for word in sequences[0]]
    for n_aligned, words in enumerate(sequences[n_first:], n_first):
        _align(places, words, n_aligned)
    winners = (
        max((n, len(word), word) for word, n in place.items())[2] if len(place) > 1 else next(iter(place))
        for place in places
    )
    return [word for word in winners if word]


def _align(places: list[Place], words: Sequence[str], n_aligned: int) -> None:
    """Add one more sequence to places, by the fewest words that are other, left out or put in.

    Most words are in ends that are alike, and these need no table; the steps are those that a table of all would give.
    At a last place that is alike no step is cheaper than to take the word, and of equals it comes first. A beginning
    that is alike costs nothing, so what stands behind it costs as much as without it. Not so for the first word alone,
    as long as a place before it may be left out for nothing: crowd-kit takes 1 for each that is left out before it.
    """
    i, j = len(words), len(places)
    while i > 1 and j and _is_alike(places[j - 1], words[i - 1]):
        i, j = i - 1, j - 1
        places[j][words[i]] += 1
    n_begin, shorter = 0, min(i, j)
    while n_begin < shorter and _is_alike(places[n_begin], words[n_begin]):
        n_begin += 1
    steps = _cheapest_steps(places[n_begin:j], words[n_begin:i], is_first=n_begin == 0)
    while i != j or i > n_begin:
        if i > n_begin and j > n_begin:
            step = steps[i - n_begin][j - n_begin]
        elif i and j and _is_alike(places[j - 1], words[i - 1]) and (i > 1 or not any("" in p for p in places[:j])):
            step = SAME_OR_OTHER
        else:
            step = LEFT_OUT if i < j else PUT_IN
        word = "" if step == LEFT_OUT else words[i - 1]
        if step == PUT_IN:
            places.insert(j, {"": n_aligned, word: 1})
        else:
            place = places[j - 1]
            place[word] = place.get(word, 0) + 1
        i -= step != LEFT_OUT
        j -= step != PUT_IN
    for place, word in zip(places[:i], words, strict=False):
        place[word] += 1


def _is_alike(place: Place, word: str) -> bool:
    """Whether a place has a word, and no sequence is without one there."""
    return word in place and "" not in place


def _cheapest_steps(places: list[Place], words: Sequence[str], *, is_first: bool) -> list[list[int]]:
    """The last step of the cheapest alignment of the first i words with the first j places, at [i][j].

    With `is_first` there are no words before them: a place that is left out before the first word always costs 1.
    """
    above = [0]
    for place in places:
        above.append(above[-1] + (is_first or "" not in place))
    steps = [[LEFT_OUT] * len(above)]
    for i, word in enumerate(words, 1):
        row, chosen = [i], [PUT_IN]
        for j, place in enumerate(places, 1):
            cost, step = above[j - 1] + (word not in place), SAME_OR_OTHER
            if row[j - 1] + ("" not in place) < cost:
                cost, step = row[j - 1] + ("" not in place), LEFT_OUT
            if above[j] + 1 < cost:
                cost, step = above[j] + 1, PUT_IN
            row.append(cost)
            chosen.append(step)
        above = row
        steps.append(chosen)
    return steps
