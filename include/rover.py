"""Several word sequences into one: aligned one after the other, and at each place the most frequent word taken.

ROVER (Fiscus 1997, https://doi.org/10.1109/ASRU.1997.659110), as crowd-kit has it: a test compares. Importing
crowd-kit takes seconds, which each merge with a disputed transcription would pay (docs/decisions/).
"""

from collections.abc import Sequence

Place = dict[str, int]  # how many sequences have which word here; "" is none
SAME_OR_OTHER, LEFT_OUT, PUT_IN = range(3)


def vote(sequences: Sequence[Sequence[str]]) -> list[str]:
    """The words that most sequences agree on; of equals the longer, then the later by name. There is a first one."""
    places: list[Place] = [{word: 1} for word in sequences[0]]
    for n_aligned, words in enumerate(sequences[1:], 1):
        places = _aligned(places, words, n_aligned)
    winners = (max((n, len(word), word) for word, n in place.items())[2] for place in places)
    return [word for word in winners if word]


def _aligned(places: list[Place], words: Sequence[str], n_aligned: int) -> list[Place]:
    """Places with one more sequence, by the fewest words that are other, left out or put in."""
    steps = _cheapest_steps(places, words)
    found: list[Place] = []
    i, j = len(words), len(places)
    while i or j:
        step = PUT_IN if not j else LEFT_OUT if not i else steps[i][j]
        place = {"": n_aligned} if step == PUT_IN else dict(places[j - 1])
        word = "" if step == LEFT_OUT else words[i - 1]
        place[word] = place.get(word, 0) + 1
        found.append(place)
        i -= step != LEFT_OUT
        j -= step != PUT_IN
    return found[::-1]


def _cheapest_steps(places: list[Place], words: Sequence[str]) -> list[list[int]]:
    """The last step of the cheapest alignment of the first i words with the first j places, at [i][j]."""
    above = list(range(len(places) + 1))
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
