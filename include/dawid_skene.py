"""The model of Dawid & Skene for questions of yes and no, over millions of answers.

Dawid & Skene 1979, https://doi.org/10.2307/2346806. It is crowd-kit's in each step, which a test compares; crowd-kit's
own takes minutes for what this does in a second, and seconds to be imported (docs/decisions/).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from include.columns import Numbers

ITERATIONS = 20
TOLERANCE = 1e-5
FLOOR = 1e-10


def informedness(question: "Numbers", rater: "Numbers", is_yes: "Numbers", n_raters: int) -> "Numbers":
    """How much each rater's answers tell, of shape (raters,): Youden's J (1950), NaN where nothing is known.

    The arguments have the shape (answers,), the questions are numbered from 0 in the order of the answers. J is how
    often a rater says yes where the answer is yes, less how often where it is no.
    """
    import numpy as np
    from scipy import sparse

    n_answered = np.bincount(rater, minlength=n_raters)
    if is_yes.all():
        # Nobody ever contradicted anybody: nothing was learned of anyone.
        return np.full(n_raters, np.nan)
    said = (2 * rater + is_yes).astype(np.int32)  # of which a matrix takes half the time to read
    n_said = np.bincount(said, minlength=2 * n_raters).astype(float)
    starts = np.flatnonzero(np.diff(question, prepend=-1))
    n_of_question = np.diff(starts, append=len(question))
    # What was answered to each question, of shape (questions, 2 x raters): sums over answers are products with it.
    parts = np.ones(len(said)), said, np.append(starts, len(said)).astype(np.int32)
    answers = sparse.csr_array(parts, shape=(len(starts), len(n_said)))
    steps = _steps(np.add.reduceat(is_yes.astype(float), starts) / n_of_question, answers, n_said)
    step, bound = next(steps), -np.inf
    # What comes after a step is at work while its bound tells whether that is needed.
    with ThreadPoolExecutor(1) as pool:
        while step is not None:
            following = pool.submit(next, steps, None)
            rates, (before, bound) = step[1], (bound, _bound(*step, n_of_question) / len(question))
            step = None if bound - before < TOLERANCE else following.result()
    found: Numbers = np.where(n_answered > 0, rates[1::2, 1] - rates[1::2, 0], np.nan)
    return found


def _steps(
    is_true: "Numbers", answers: "csr_array", n_said: "Numbers"
) -> "Iterator[tuple[Numbers, Numbers, Numbers] | None]":
    """How likely each answer is yes, and with that the rates and counts of _rates(), better with each step."""
    import numpy as np

    rates = _rates(is_true, answers, n_said)[0]
    for _ in range(ITERATIONS):
        prior = np.maximum([1 - is_true.mean(), is_true.mean()], FLOOR)
        with np.errstate(divide="ignore", invalid="ignore"):  # of what a rater never said
            evidence = np.log2(rates[:, 1]) - np.log2(rates[:, 0])
        odds = np.log2(prior[1] / prior[0]) + answers @ evidence
        with np.errstate(over="ignore"):  # odds beyond what a float holds are certain
            is_true = 1 / (1 + np.exp2(-odds))
        rates, counted = _rates(is_true, answers, n_said)
        yield is_true, rates, counted


def _rates(is_true: "Numbers", answers: "csr_array", n_said: "Numbers") -> "tuple[Numbers, Numbers]":
    """How often each rater says no and yes, rows in turn, where the answer is no (column 0) and yes; and the counts."""
    import numpy as np

    where_yes = answers.T @ is_true
    counted = np.stack([n_said - where_yes, where_yes], axis=1)
    floored = np.where(n_said[:, None] > 0, np.maximum(counted, FLOOR), 0)
    total = floored[0::2] + floored[1::2]
    with np.errstate(invalid="ignore"):
        return floored / np.repeat(total, 2, axis=0), counted


def _bound(is_true: "Numbers", rates: "Numbers", counted: "Numbers", n_of_question: "Numbers") -> float:
    """The evidence lower bound, as crowd-kit has it, which counts the prior once an answer."""
    import numpy as np

    prior = np.log(np.maximum([1 - is_true.mean(), is_true.mean()], FLOOR))
    # Not `@`: BLAS has threads of its own for millions, which wait at full speed for the next product.
    n_yes = np.einsum("i,i", n_of_question, is_true)
    joint = (n_of_question.sum() - n_yes) * prior[0] + n_yes * prior[1]
    is_said = counted.sum(axis=1) > 0
    joint += (counted[is_said] * np.log(rates[is_said])).sum()
    for likely in (is_true, 1 - is_true):
        floored = np.maximum(likely, FLOOR)
        joint -= np.einsum("i,i", floored, np.log(floored))
    return float(joint)
