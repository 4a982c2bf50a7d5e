"""What annotators' newest annotations say of how they work: the figures that `raters` judges by.

Nothing here uses who an annotator is. docs/labels.md gives the formulas and their sources.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include import catalog, dawid_skene, tally
from include.columns import Annotations

if TYPE_CHECKING:
    from include.columns import Numbers

MIN_DESCRIPTION = 20  # characters; shorter ones are alike by chance
TEXTS = ("vocabulary_version", "emotions", "audio_description")  # what is read of annotations
ROUNDED = 6  # decimals, so that the order of a sum does not show


@dataclass(frozen=True)
class Judged:
    """Votes on the clips that annotators are judged by, and which of them are these annotators' own.

    `votes` are all current ones of these clips, by clip and annotator; `is_own` is a mask of shape (votes,).
    """

    votes: Annotations
    is_own: "Numbers"
    is_chosen: "Numbers"  # of shape (annotators,)


def judged(said: Annotations, is_chosen: "Numbers", window: int) -> Judged:
    """What the chosen annotators, a mask of shape (annotators,), said last, and what everybody said of the same clips.

    `said` holds every annotation of those clips. Of an annotator the newest `window` annotations count.
    """
    import numpy as np

    recent = said[said.newest(is_chosen, window)]
    is_judged = np.zeros(len(said.clip_ids), bool)
    is_judged[recent.clip] = True
    votes = said[said.current[is_judged[said.clip[said.current]]]]
    is_own = np.zeros(len(votes) + 1, bool)  # the last one is for what is not current any more
    place = np.searchsorted(votes.pair, recent.pair)
    is_own[np.where(np.append(votes.pair, -1)[place] == recent.pair, place, -1)] = True
    is_own[-1] = False
    return Judged(votes, is_own[:-1], is_chosen)


def measure(found: Judged, words: tally.Words, gold: list[catalog.Row]) -> tuple[list[dict[str, Any]], float]:
    """The figures of catalog.annotator_evidence for each chosen annotator, by id, but for correlations and what all
    comes to.

    Beside them the mean informedness of all who judged the same clips, each weighing as their number of questions.

    `gold` are rows of catalog.gold_answer.
    """
    import numpy as np

    own, n_annotators = found.votes[found.is_own], len(found.is_chosen)
    clip_s = clip_durations_s(own)
    n_annotations = np.bincount(own.annotator, minlength=n_annotators)
    is_timed = ~np.isnan(own.time_spent_s) & ~np.isnan(clip_s[own.clip])
    n_timed = np.bincount(own.annotator[is_timed], minlength=n_annotators)
    is_fast = is_timed & (own.time_spent_s < clip_s[own.clip])
    n_described, n_descriptions = _descriptions(own, n_annotators)
    families = _families(found, words)
    columns: dict[str, Numbers] = {
        "n_annotations": n_annotations,
        **families,
        **_gold(own, words, gold, n_annotators),
        "n_timed": n_timed,
        "fast_share": _share(np.bincount(own.annotator[is_fast], minlength=n_annotators), n_timed),
        "same_share": _share(_same_answers(own, n_annotators), n_annotations),
        "n_described": n_described,
        "pasted_share": 1 - _share(n_descriptions, n_described),
    }
    rows = [
        {"annotator_id": annotator_id, **row}
        for annotator_id, row in zip(
            found.votes.annotator_ids.filter(found.is_chosen).to_pylist(), _rows(columns, found.is_chosen), strict=True
        )
    ]
    n, tells = families["n_questions"], families["informedness"]
    is_known = ~np.isnan(tells)
    return rows, float(np.average(tells[is_known], weights=n[is_known])) if is_known.any() else 0.0


def _families(found: Judged, words: tally.Words) -> "dict[str, Numbers]":
    """Each family that a rater of a clip chose is a question to all its raters who chose any: yes or no."""
    import numpy as np

    votes = found.votes
    rows, family, families = words.chosen(votes, 1)
    is_chosen = np.zeros((len(votes), len(families)), bool)
    is_chosen[rows, family] = True
    choosers = tally.having(rows, len(votes))
    n_choosers = np.bincount(votes.clip[choosers], minlength=len(votes.clip_ids))
    first_chooser = np.cumsum(n_choosers) - n_choosers
    clips, asked, _ = tally.runs(votes.clip[rows], family)
    is_shared = n_choosers[clips] >= 2
    clips, asked = clips[is_shared], asked[is_shared]
    n = n_choosers[clips]
    question = np.repeat(np.arange(len(clips)), n)
    nth = np.arange(len(question)) - (np.cumsum(n) - n)[question]
    answering = choosers[first_chooser[clips][question] + nth]
    rater, n_annotators = votes.annotator[answering], len(found.is_chosen)
    tells = dawid_skene.informedness(question, rater, is_chosen[answering, asked[question]], n_annotators)
    return {"n_questions": np.bincount(rater, minlength=n_annotators), "informedness": tells.round(ROUNDED)}


def correlations(found: Judged, is_blocked: "Numbers") -> list[dict[str, Any]]:
    """How each chosen annotator's ratings follow the mean of all who count: a row each, by id, as measure() has them.

    `is_blocked` is a mask of shape (annotators,): whose ratings don't count.
    """
    counts = ~is_blocked[found.votes.annotator]
    return _rows({**_correlation("arousal", found, counts), **_correlation("valence", found, counts)}, found.is_chosen)


def _rows(columns: "dict[str, Numbers]", is_chosen: "Numbers") -> list[dict[str, Any]]:
    """Columns of shape (annotators,) as a row for each that is chosen; NaN is None."""
    lists = [[None if value != value else value for value in values[is_chosen].tolist()] for values in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def _correlation(name: str, found: Judged, counts: "Numbers") -> "dict[str, Numbers]":
    """Of an annotator's ratings with the mean of all raters of the clip, theirs included: Grimm & Kroschel 2005."""
    import numpy as np

    ratings = getattr(found.votes, name).astype(np.float64)
    clip, annotator = found.votes.clip, found.votes.annotator
    n_annotators = len(found.is_chosen)
    counts = counts & ~np.isnan(ratings)
    n = np.bincount(clip[counts], minlength=len(found.votes.clip_ids))
    with np.errstate(invalid="ignore"):
        mean = np.bincount(clip[counts], ratings[counts], len(n)) / n
    is_in = found.is_own & ~np.isnan(ratings) & (n[clip] >= 2)
    who, x, y = annotator[is_in], ratings[is_in], mean[clip[is_in]]
    n_ratings = np.bincount(who, minlength=n_annotators)

    def centred(values: "Numbers") -> "Numbers":
        mean_of: Numbers = np.bincount(who, values, n_annotators) / np.maximum(n_ratings, 1)
        difference: Numbers = values - mean_of[who]
        return difference

    x, y = centred(x), centred(y)
    xx, yy, xy = (np.bincount(who, product, n_annotators) for product in (x * x, y * y, x * y))
    with np.errstate(invalid="ignore", divide="ignore"):
        # What is left of equal means is a matter of rounding.
        correlation = np.where((xx > 1e-9) & (yy > 1e-9), xy / np.sqrt(xx * yy), np.nan)
    return {f"{name}_correlation": correlation.round(ROUNDED), f"{name}_n": n_ratings}


def clip_durations_s(said: Annotations) -> "Numbers":
    """How long each clip is that something was said of, by its id: a clip may become known only later. NaN where an id
    does not say.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    clips = np.flatnonzero(np.bincount(said.clip, minlength=len(said.clip_ids)))
    window = pc.extract_regex(said.clip_ids.take(pa.array(clips)), r"-(?P<start_ms>\d{1,9})-(?P<end_ms>\d{1,9})$")
    start_ms, end_ms = (pc.struct_field(window, name).cast(pa.float64()) for name in ("start_ms", "end_ms"))
    durations_s = np.full(len(said.clip_ids), np.nan)
    durations_s[clips] = pc.divide(pc.subtract(end_ms, start_ms), 1000.0).to_numpy(zero_copy_only=False)
    return durations_s


def _same_answers(own: Annotations, n_annotators: int) -> "Numbers":
    """How often each annotator gave their most frequent answer: the same emotions, arousal and valence."""
    import numpy as np

    alike: dict[tuple[str, ...], int] = {}
    emotions = [alike.setdefault(tuple(sorted(chosen)), len(alike)) for chosen in own.said["emotions"].lists]
    none = alike.setdefault((), len(alike))
    answer = np.array([*emotions, none])[own.said["emotions"].codes]
    for ratings in (own.arousal, own.valence):
        answer = answer * 32 + np.nan_to_num(ratings, nan=16).astype(np.int64) + 5
    who, _, n = tally.runs(own.annotator, answer)
    most = np.zeros(n_annotators, np.int64)
    np.maximum.at(most, who, n)
    return most


def _descriptions(own: Annotations, n_annotators: int) -> "tuple[Numbers, Numbers]":
    """How many descriptions each annotator gave that are long enough to tell, and how many distinct ones."""
    import numpy as np
    import pyarrow.compute as pc

    said = own.said["audio_description"]
    is_short = np.append(pc.utf8_length(said.texts).to_numpy() < MIN_DESCRIPTION, True)[said.codes]
    long = said.without(is_short)
    who, _, n = tally.runs(own.annotator, long.codes)
    return np.bincount(who, n, n_annotators).astype(np.int64), np.bincount(who, minlength=n_annotators)


def _gold(own: Annotations, words: tally.Words, gold: list[catalog.Row], n_annotators: int) -> "dict[str, Numbers]":
    """Answers to clips whose answer is known. Right is: a word of one of the families, and numbers within bounds."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    which = pc.index_in(own.clip_ids, pa.array([row["clip_id"] for row in gold], pa.string()))
    which = which.fill_null(-1).to_numpy()[own.clip]
    asked, which = own[which >= 0], which[which >= 0]
    rows, family, families = words.chosen(asked, 1)
    is_chosen = np.zeros((len(asked), len(families)), bool)
    is_chosen[rows, family] = True
    is_family = np.array([[name in row["families"] for name in families] for row in gold], bool)
    takes_any = np.array([not row["families"] for row in gold], bool)
    is_right = takes_any[which] | (is_family.reshape(len(gold), len(families))[which] & is_chosen).any(axis=1)
    for name, ratings in (("arousal", asked.arousal), ("valence", asked.valence)):
        least, most = (np.array([row[f"{name}_{end}"] for row in gold], float) for end in ("min", "max"))
        # What was not said, or has no bound, is not wrong.
        is_right &= ~(ratings < least[which]) & ~(ratings > most[which])
    who = asked.annotator
    return {
        "n_gold": np.bincount(who, minlength=n_annotators),
        "n_gold_right": np.bincount(who[is_right], minlength=n_annotators),
    }


def _share(part: "Numbers", whole: "Numbers") -> "Numbers":
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        found: Numbers = part / whole
    return found
