"""What the votes on each clip come to: the arithmetic of labels, over columns of annotations.

docs/labels.md gives the formulas. Each sum runs over a clip's votes in the order of their annotators, so that a label
is the same to the last bit whatever other clips are counted with it, and in whatever order the votes came.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include import catalog, transcripts
from include.columns import Annotations, Coded
from include.contract import QUALITIES

if TYPE_CHECKING:
    import pyarrow as pa

    from include.columns import Numbers

PERCEIVED = ("age_group", "gender", "accent")
NO_AGREEMENT = "no_agreement"


@dataclass(frozen=True)
class Weights:
    """Arrays of shape (annotators,): how much an annotator's votes weigh, by what they are about."""

    emotion: "Numbers"
    arousal: "Numbers"
    valence: "Numbers"
    is_blocked: "Numbers"

    @classmethod
    def of(cls, annotators: list[catalog.Row], annotator_ids: list[str]) -> "Weights":
        """From rows of catalog.annotator, in the order of `annotator_ids`."""
        import numpy as np

        known = {row["annotator_id"]: row for row in annotators}
        columns = ("weight", "arousal_weight", "valence_weight", "is_blocked")
        return cls(*(np.array([known[who][name] for who in annotator_ids]) for name in columns))


@dataclass(frozen=True)
class Words:
    """The vocabulary: {(version, word): (today's word, family)}."""

    today: dict[tuple[str, str], tuple[str, str]]

    @classmethod
    def of(cls, vocabulary: list[catalog.Row]) -> "Words":
        """From rows of catalog.vocabulary."""
        return cls({(row["version"], row["word"]): (row["today"], row["family"]) for row in vocabulary})

    def chosen(self, votes: Annotations, part: int) -> "tuple[Numbers, Numbers, list[str]]":
        """Each distinct word (`part` 0) or family (1) of each vote: the vote's row, the name's code, sorted names."""
        import numpy as np

        names = sorted({today[part] for today in self.today.values()})
        code = {name: n for n, name in enumerate(names)}
        versions, emotions = votes.said["vocabulary_version"], votes.said["emotions"]
        found = [
            sorted({code[self.today[version, word][part]] for word in words if (version, word) in self.today})
            for version in versions.texts.to_pylist()
            for words in emotions.lists
        ]
        which = versions.codes.astype(np.int64) * len(emotions.texts) + emotions.codes
        rows, items = _spread(np.where(emotions.codes < 0, -1, which), found)
        return rows, items, names


def labels(
    votes: Annotations, first: int, n_clips: int, weights: Weights, words: Words, held: set[str], version: str
) -> "pa.Table":
    """Labels of `n_clips` clips from `first` on, as catalog.label takes them: a row a clip, maps as JSON texts.

    `votes` are these clips' current ones of annotators who are not blocked, by clip and annotator.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    clip = votes.clip - first
    clip_ids = votes.clip_ids.slice(first, n_clips)
    columns: dict[str, Any] = {"clip_id": clip_ids, "n_raters": _count(clip, n_clips)}
    columns |= _emotions(votes, clip, n_clips, weights.emotion[votes.annotator], words)
    for name, ratings in (("arousal", votes.arousal), ("valence", votes.valence)):
        columns |= _numbers(name, ratings, getattr(weights, name)[votes.annotator], clip, n_clips)
    for name in PERCEIVED:
        columns |= _perceived(name, votes.said[name].ranked(), clip, n_clips)
    columns["audio_quality"] = _median_quality(votes.said["audio_quality"], clip, n_clips)
    columns["background_sounds"] = _sounds(votes.said["background_sounds"], clip, n_clips)
    flagged = votes.said["flagged_fields"]
    for name in ("transcription", "language", "audio_description", "video_description"):
        is_flagged = np.array([*(name in fields for fields in flagged.lists), False], bool)[flagged.codes]
        said = votes.said[name].without(is_flagged)
        columns[name] = _commonest(said, clip, n_clips)
        if name == "transcription":
            columns[name] = _agreed(columns[name], said, clip, n_clips)
    columns["is_held"] = pc.is_in(clip_ids, pa.array(sorted(held), pa.string()))
    columns["vocabulary_version"] = pa.repeat(version, n_clips).dictionary_encode()
    return pa.table(columns)


def _emotions(votes: Annotations, clip: "Numbers", n_clips: int, weight: "Numbers", words: Words) -> dict[str, Any]:
    import numpy as np
    import pyarrow as pa

    rows, word, word_names = words.chosen(votes, 0)
    word_clips, word_codes, word_n = runs(clip[rows], word)
    rows, family, families = words.chosen(votes, 1)
    cells = clip[rows].astype(np.int64) * len(families) + family
    n_cells, shape = n_clips * len(families), (n_clips, len(families))
    n_of_cell, weight_of_cell = np.bincount(cells, minlength=n_cells), np.bincount(cells, weight[rows], n_cells)
    n = n_of_cell.reshape(shape)
    most, n_votes, total = n.max(axis=1), n.sum(axis=1), weight_of_cell.reshape(shape).sum(axis=1)
    n_choosers = _count(clip[having(rows, len(votes))], n_clips)
    named = np.flatnonzero(n_of_cell)  # of one dimension it is faster
    clips, chosen = np.divmod(named, len(families))
    counted, weighs = n_of_cell[named], total[clips] > 0
    soft = _weighed(families, chosen[weighs], weight_of_cell[named][weighs] / total[clips][weighs])
    is_agreed, is_asked = most >= 2, n_choosers >= 2
    is_most = (n == most[:, None]) & (n > 0)
    is_disputed = (is_asked & ~is_agreed)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        agreement = (n * (n - 1)).sum(axis=1) / ((n_choosers - 1) * n_votes)
    return {
        "emotion_votes": _joined(clips, _counted(families, chosen, counted), n_clips),
        "word_votes": _joined(word_clips, _counted(word_names, word_codes, word_n), n_clips),
        "emotion_soft": _joined(clips[weighs], soft, n_clips),
        "emotion_hard": _listed(n >= 2, families),
        "emotion_plurality": _listed(is_most, families),
        "has_agreement": is_agreed,
        "emotion_consensus": _listed(np.hstack([is_most & is_agreed[:, None], is_disputed]), [*families, NO_AGREEMENT]),
        "emotion_agreement": pa.array(agreement, mask=~is_asked),
    }


def _numbers(name: str, ratings: "Numbers", weight: "Numbers", clip: "Numbers", n_clips: int) -> dict[str, Any]:
    import numpy as np
    import pyarrow as pa

    is_said = ~np.isnan(ratings)
    clip, ratings, weight = clip[is_said], ratings[is_said].astype(np.float64), weight[is_said]
    n = _count(clip, n_clips)
    # Sums of whole numbers are exact.
    total, squares = np.bincount(clip, ratings, n_clips), np.bincount(clip, ratings * ratings, n_clips)
    weighted, weights = np.bincount(clip, ratings * weight, n_clips), np.bincount(clip, weight, n_clips)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            f"{name}_mean": pa.array(total / n, mask=n == 0),
            f"{name}_weighted": pa.array(weighted / weights, mask=weights == 0),
            f"{name}_std": pa.array(np.sqrt(n * squares - total * total) / n, mask=n == 0),
            f"{name}_n": n,
        }


def _perceived(name: str, said: Coded, clip: "Numbers", n_clips: int) -> dict[str, Any]:
    import numpy as np
    import pyarrow as pa

    n = _table(clip, said.codes, n_clips, len(said.texts))
    total, most = n.sum(axis=1), n.max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            # The texts are in the order of their bytes: of equals this is the first.
            f"perceived_{name}": _coded(said.texts, n.argmax(axis=1), total == 0),
            f"perceived_{name}_share": pa.array(most / total, mask=total == 0),
        }


def _median_quality(said: Coded, clip: "Numbers", n_clips: int) -> "pa.Array":
    import numpy as np
    import pyarrow as pa

    ranks = np.array([*(QUALITIES.index(text) if text in QUALITIES else -1 for text in said.texts.to_pylist()), -1])
    n = _table(clip, ranks[said.codes], n_clips, len(QUALITIES))
    so_far = n.cumsum(axis=1)
    lower_median = (2 * so_far >= so_far[:, -1:]).argmax(axis=1)
    return _coded(pa.array(QUALITIES), lower_median, so_far[:, -1] == 0)


def _sounds(said: Coded, clip: "Numbers", n_clips: int) -> "pa.Array":
    """Those that at least half of who answered heard."""
    names = sorted({name for answer in said.lists for name in answer}) or [""]  # a table has at least one code
    code = {name: n for n, name in enumerate(names)}
    rows, sounds = _spread(said.codes, [sorted({code[name] for name in answer}) for answer in said.lists])
    n = _table(clip[rows], sounds, n_clips, len(names))
    n_answered = _count(clip[said.codes >= 0], n_clips)
    return _listed((n > 0) & (2 * n >= n_answered[:, None]), names)


def _commonest(said: Coded, clip: "Numbers", n_clips: int) -> "pa.Array":
    """The most frequent text of each clip, on a tie the first by its bytes; null where nobody said any."""
    import numpy as np

    clips, codes, n = runs(clip, said.codes)
    is_most = n == _most(clips, n, n_clips)[clips]
    clips, codes = clips[is_most], codes[is_most]
    is_tied = _count(clips, n_clips)[clips] > 1
    if is_tied.any():
        texts, among = np.unique(codes[is_tied], return_inverse=True)
        rank = np.zeros(len(codes), np.int64)
        rank[is_tied] = Coded(among, said.texts.take(texts)).ranked().codes
        order = np.lexsort((rank, clips))
        clips, codes = clips[order], codes[order]
    found = np.full(n_clips, -1)
    found[clips[::-1]] = codes[::-1]  # the first of each clip is written last
    return _coded(said.texts, found, found < 0)


def _agreed(commonest: "pa.Array", said: Coded, clip: "Numbers", n_clips: int) -> "pa.Array":
    """The commonest transcription, or what three or more come to if none is more than half of them."""
    import pyarrow as pa

    clips, codes, n = runs(clip, said.codes)
    n_texts = _count(clip[said.codes >= 0], n_clips)
    is_disputed = ((n_texts >= 3) & (2 * _most(clips, n, n_clips) <= n_texts))[clips]
    if not is_disputed.any():
        return commonest
    heard: dict[int, list[str]] = {}
    texts = said.texts.take(codes[is_disputed]).to_pylist()
    for where, text, times in zip(clips[is_disputed].tolist(), texts, n[is_disputed].tolist(), strict=True):
        heard.setdefault(where, []).extend([text] * times)
    found = commonest.to_pylist()
    for where, said_there in heard.items():
        found[where] = transcripts.publishable_consensus(said_there)
    return pa.array(found, pa.string())


def runs(clip: "Numbers", codes: "Numbers") -> "tuple[Numbers, Numbers, Numbers]":
    """Each code that was given for each clip, by clip and code: clip, code, and how often; -1 does not count."""
    import numpy as np

    is_said = codes >= 0
    n_codes = int(codes.max(initial=0)) + 1
    pairs = np.sort(clip[is_said].astype(np.int64) * n_codes + codes[is_said], kind="stable")  # it is nearly sorted
    starts = np.flatnonzero(np.diff(pairs, prepend=-1))
    return pairs[starts] // n_codes, pairs[starts] % n_codes, np.diff(starts, append=len(pairs))


def _spread(codes: "Numbers", lists: Sequence[Sequence[int]]) -> "tuple[Numbers, Numbers]":
    """The items of the list that each row's code stands for, as row and item; none for -1."""
    import numpy as np

    n_items = np.array([*map(len, lists), 0])
    starts = np.cumsum(n_items) - n_items
    flat = np.array([item for items in lists for item in items], np.int64)
    n = n_items[codes]
    rows = np.repeat(np.arange(len(codes)), n)
    within = np.arange(len(rows)) - (np.cumsum(n) - n)[rows]
    return rows, flat[starts[codes][rows] + within]


def having(rows: "Numbers", n_rows: int) -> "Numbers":
    """The rows that are named at all, each once, in their order."""
    import numpy as np

    is_named = np.zeros(n_rows, bool)
    is_named[rows] = True
    return np.flatnonzero(is_named)


def _count(clip: "Numbers", n_clips: int) -> "Numbers":
    import numpy as np

    return np.bincount(clip, minlength=n_clips)


def _table(clip: "Numbers", codes: "Numbers", n_clips: int, n_codes: int) -> "Numbers":
    """How often each code was given for each clip, of shape (clips, codes); at least one code, for its maximum."""
    import numpy as np

    is_said, n_codes = codes >= 0, max(1, n_codes)
    cells = clip[is_said].astype(np.int64) * n_codes + codes[is_said]
    return np.bincount(cells, minlength=n_clips * n_codes).reshape(n_clips, n_codes)


def _most(clips: "Numbers", n: "Numbers", n_clips: int) -> "Numbers":
    """The greatest number of each clip; 0 where there is none."""
    import numpy as np

    found = np.zeros(n_clips, np.int64)
    np.maximum.at(found, clips, n)
    return found


def _coded(texts: "pa.Array", codes: "Numbers", is_none: "Numbers") -> "pa.Array":
    """The text of each code; as a dictionary where the texts are few, which takes less to write."""
    import numpy as np
    import pyarrow as pa

    found = pa.array(np.where(is_none, 0, codes).astype(np.int32), mask=is_none)
    return pa.DictionaryArray.from_arrays(found, texts) if len(texts) < len(codes) / 10 else texts.take(found)


def _counted(names: Sequence[str], codes: "Numbers", n: "Numbers") -> "pa.Array":
    """Members of JSON objects, `"name":n`: of which few differ, so that each is made once."""
    import pyarrow as pa

    coded = pa.array(n * len(names) + codes).dictionary_encode()
    different = (divmod(both, len(names)) for both in coded.dictionary.to_pylist())
    return pa.array([f"{_quoted(names[code])}:{times}" for times, code in different], pa.string()).take(coded.indices)


def _weighed(names: Sequence[str], codes: "Numbers", weights: "Numbers") -> "pa.Array":
    """Members of JSON objects, `"name":weight`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    begins = pa.array([f"{_quoted(name)}:" for name in names], pa.string()).take(pa.array(codes))
    return pc.binary_join_element_wise(begins, pc.cast(pa.array(weights), pa.string()), "")


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _listed(is_in: "Numbers", names: Sequence[str]) -> "pa.DictionaryArray":
    """The names of each clip, a list each, of a mask of shape (clips, names); of which few differ."""
    import numpy as np
    import pyarrow as pa

    packed = np.packbits(is_in, axis=1)
    kind = pa.binary(packed.shape[1])
    coded = pa.Array.from_buffers(kind, len(packed), [None, pa.py_buffer(packed)]).dictionary_encode()
    codes = coded.indices.to_numpy()
    somewhere = np.empty(len(coded.dictionary), np.int64)
    somewhere[codes] = np.arange(len(codes))
    lists = [[name for name, is_there in zip(names, row, strict=True) if is_there] for row in is_in[somewhere].tolist()]
    return pa.DictionaryArray.from_arrays(coded.indices, pa.array(lists, pa.list_(pa.string())))


def _joined(clips: "Numbers", pairs: "pa.Array", n_clips: int) -> "pa.Array":
    """The pairs of each clip, as a JSON object."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = np.cumsum(np.bincount(clips, minlength=n_clips))
    listed = pa.ListArray.from_arrays(pa.array(np.append(0, ends), pa.int32()), pairs)
    return pc.binary_join_element_wise("{", pc.binary_join(listed, ","), "}", "")
