"""Annotations as columns: read from the catalog in bulk, for arithmetic over millions of them at once.

Texts are coded: a column is an array of integers and the distinct texts that they stand for, so that votes are
counted by integers. docs/decisions/ says why this is not done by Postgres.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from include import catalog

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from psycopg import Connection, sql

    Numbers = np.ndarray[Any, np.dtype[Any]]

CLIPS_AT_ONCE = 20_000
READERS = 2
NOT_SAID = 15
TEXTS = (
    "vocabulary_version", "emotions", "background_sounds", "flagged_fields", "age_group",
    "gender", "accent", "audio_quality", "language", "transcription", "audio_description", "video_description",
)  # fmt: skip
NUMBERS = ("submitted_at", "hash", "arousal", "valence", "time_spent_s", "is_retracted")
PART = {"clip_id", "annotator_id", *TEXTS, *NUMBERS}  # what read_parts() gives of all
LIST_SEPARATOR, RECORD_SEPARATOR = "\x1f", b"\x1e"
WRITTEN = ("annotator_id", "transcription", "audio_description", "video_description")  # by people, of any characters


@dataclass(frozen=True)
class Coded:
    """A column of texts: codes of shape (rows,), and the distinct texts by their code. -1 stands for no text."""

    codes: "Numbers"
    texts: "pa.StringArray"

    def __getitem__(self, chosen: "Numbers | slice") -> "Coded":
        return Coded(self.codes[chosen], self.texts)

    def ranked(self) -> "Coded":
        """The same column with codes in the order of the texts' bytes."""
        import numpy as np
        import pyarrow.compute as pc

        order = pc.sort_indices(self.texts).to_numpy()
        rank = np.full(len(order) + 1, -1, np.int32)  # the last one is for -1
        rank[order] = np.arange(len(order), dtype=np.int32)
        return Coded(rank[self.codes], self.texts.take(order))

    def without(self, is_left_out: "Numbers") -> "Coded":
        """The same column without the texts of some rows, a mask of shape (rows,)."""
        import numpy as np

        return Coded(np.where(is_left_out, np.int32(-1), self.codes), self.texts)

    @cached_property
    def lists(self) -> list[list[str]]:
        """The items of each distinct text, where texts are lists."""
        return [text.split(LIST_SEPARATOR) if text else [] for text in self.texts.to_pylist()]


@dataclass(frozen=True)
class Annotations:
    """Annotations as columns of shape (rows,).

    `clip` and `annotator` are codes into `clip_ids` and `annotator_ids`, which are sorted; `submitted_at` is in
    microseconds, `hash` orders what was said in the same one; a number that was not said is NaN.
    """

    clip: "Numbers"
    clip_ids: "pa.StringArray"
    annotator: "Numbers"
    annotator_ids: "pa.StringArray"
    submitted_at: "Numbers"
    hash: "Numbers"
    arousal: "Numbers"
    valence: "Numbers"
    time_spent_s: "Numbers"
    is_retracted: "Numbers"
    said: dict[str, Coded]

    def __len__(self) -> int:
        return len(self.clip)

    def __getitem__(self, chosen: "Numbers | slice") -> "Annotations":
        """Some of them: a mask, indices, or a slice."""
        return Annotations(
            clip=self.clip[chosen],
            clip_ids=self.clip_ids,
            annotator=self.annotator[chosen],
            annotator_ids=self.annotator_ids,
            **{name: getattr(self, name)[chosen] for name in NUMBERS},
            said={name: column[chosen] for name, column in self.said.items()},
        )

    @cached_property
    def current(self) -> "Numbers":
        """Rows of each annotator's latest on each clip, by clip and annotator; without what is withdrawn by then."""
        import numpy as np

        order, is_same = _sorted(self.pair, self.submitted_at, self.hash)
        latest = order[np.append(~is_same, True)[: len(order)]]
        found: Numbers = latest[~self.is_retracted[latest]]
        return found

    @property
    def pair(self) -> "Numbers":
        """One number for the clip and annotator of each."""
        import numpy as np

        return self.clip.astype(np.int64) * len(self.annotator_ids) + self.annotator

    def newest(self, chosen: "Numbers", n: int) -> "Numbers":
        """Rows of the newest `n` annotations of each annotator that is chosen, a mask of shape (annotators,)."""
        import numpy as np

        rows = np.flatnonzero(chosen[self.annotator])
        # Two sorts of whole numbers are several times faster than one by three columns, that of small ones above all.
        rows = rows[_sorted(self.submitted_at[rows], self.hash[rows])[0]]
        small = np.min_scalar_type(len(chosen))
        rows = rows[np.argsort(self.annotator[rows].astype(small), kind="stable")]
        n_rows = np.where(chosen, np.bincount(self.annotator, minlength=len(chosen)), 0)
        n_taken = np.minimum(n_rows, n)
        skipped = np.cumsum(n_rows - n_taken)
        found: Numbers = rows[np.arange(n_taken.sum()) + np.repeat(skipped, n_taken)]
        return found


def _sorted(key: "Numbers", *further: "Numbers") -> "tuple[Numbers, Numbers]":
    """Rows in the order of a key, and where it is the same, of further ones; and whether it is that of the next row."""
    import numpy as np

    order = np.argsort(key, kind="stable")  # several times faster where much is in order
    in_order = key[order]
    is_same = in_order[1:] == in_order[:-1]
    several = np.zeros(len(order), bool)
    several[1:] |= is_same
    several[:-1] |= is_same
    rows = order[several]
    order[several] = rows[np.lexsort([column[rows] for column in (*further[::-1], key)])]
    return order, is_same


def read_clips(
    connection: "Connection[catalog.Row]", clip_table: str, batches: Iterable[int], texts: Sequence[str] = TEXTS
) -> Annotations:
    """Every annotation of some batches of clips, of a table with columns `clip_id` (unique) and `batch`.

    Of the texts only some are kept, to save memory.
    """
    from psycopg import sql

    # Always by the index: Postgres takes clips for several times fewer than there are, and so would rather read it all.
    part = sql.SQL(
        "{table} cross join lateral"
        " (select * from catalog.annotation where annotation.clip_id = {table}.clip_id offset 0) as annotation"
        " where {table}.batch = {batch}"
    )
    parts = [part.format(table=sql.Identifier(clip_table), batch=batch) for batch in batches]
    return join(
        list(read_parts(connection, parts or [sql.SQL("catalog.annotation where false").format()], texts)), texts
    )


def read_parts(
    connection: "Connection[catalog.Row]", parts: "list[sql.Composed]", texts: Sequence[str] = TEXTS
) -> "Iterator[dict[str, Any]]":
    """Fetch parts of a table one after the other, and take each apart: numbers, and coded texts, by name.

    No text is coded as '' there.
    """
    from psycopg import sql

    keep_freed_memory()
    # Compiling the statement takes longer than it saves.
    connection.execute("set local jit = off")
    statement = sql.SQL(catalog.statement("select_annotation_columns"))
    with connection.cursor(binary=True) as cursor:
        for part in parts:
            fetched = cursor.execute(statement.format(source=part)).fetchone()
            assert fetched is not None  # an aggregate has one row
            yield _take_apart(fetched, texts)


def keep_freed_memory() -> None:
    """Have Arrow take memory where numpy does: its own allocator gives it back at once, and a third of the time goes to
    getting it anew.
    """
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())


def _take_apart(fetched: catalog.Row, texts: Sequence[str]) -> dict[str, Any]:
    import numpy as np

    def numbers(name: str, kind: str) -> "Numbers":
        return np.frombuffer(fetched[name] or b"", kind).astype(np.dtype(kind).newbyteorder("="))

    packed = numbers("numbers", ">u4")
    arousal, valence = ((packed >> shift & NOT_SAID).astype(np.float32) for shift in (0, 4))
    arousal[arousal == NOT_SAID] = valence[valence == NOT_SAID] = np.nan
    return {
        "submitted_at": numbers("submitted_at", ">i8"),
        "hash": numbers("annotation_id", ">u8"),
        "time_spent_s": numbers("time_spent_s", ">f8"),
        "arousal": arousal,
        "valence": valence - 5,
        "is_retracted": packed >= 256,
        **{
            name: _coded(fetched[name], fetched["n_rows"], b"\0" if name in WRITTEN else RECORD_SEPARATOR)
            for name in ("clip_id", "annotator_id", *texts)
        },
    }


def _coded(joined: bytes | None, n_rows: int, separator: bytes) -> Coded:
    """Texts that are parted by a byte."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    # Each text with the separator behind it, so that none has to be moved.
    content = np.frombuffer(joined + separator if joined is not None else b"", np.uint8)
    offsets = np.zeros(n_rows + 1, np.int32)
    offsets[1:] = np.flatnonzero(content == separator[0]) + 1
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    coded = pa.Array.from_buffers(pa.binary(), n_rows, buffers).dictionary_encode()
    texts = pc.binary_slice(coded.dictionary, 0, -1).cast(pa.string())
    return Coded(coded.indices.to_numpy(), texts)


def join(parts: list[dict[str, Any]], texts: Sequence[str] = TEXTS) -> Annotations:
    """Parts as read_parts() gives them, as one, with some of their texts. What is joined is taken out of the parts."""
    import numpy as np

    found = join_texts(parts, ("clip_id", "annotator_id", *texts))
    with ThreadPoolExecutor(READERS) as pool:
        clip, annotator = pool.map(Coded.ranked, (found.pop("clip_id"), found.pop("annotator_id")))
    return Annotations(
        clip=clip.codes,
        clip_ids=clip.texts,
        annotator=annotator.codes,
        annotator_ids=annotator.texts,
        **{name: np.concatenate([part.pop(name) for part in parts]) for name in NUMBERS},
        said=found,
    )


def join_texts(parts: list[dict[str, Any]], names: Sequence[str]) -> dict[str, Coded]:
    """Columns of texts of all parts, by name. They are taken out of the parts."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    def join_one(name: str) -> Coded:
        found = [part.pop(name) for part in parts]
        together = pa.concat_arrays([column.texts for column in found]).dictionary_encode()
        codes = together.indices.to_numpy().copy()
        codes[codes == pc.index(together.dictionary, "").as_py()] = -1
        new_codes = np.split(codes, np.cumsum([len(column.texts) for column in found])[:-1])
        n_rows = np.cumsum([0, *(len(column.codes) for column in found)])
        # A number type as small as the codes allow, and with a sign for -1 even if there are no texts.
        joined = np.empty(n_rows[-1], np.min_scalar_type(-len(together.dictionary) - 1))
        for first, new, old in zip(n_rows, new_codes, found, strict=False):
            joined[first : first + len(old.codes)] = new[old.codes]
        return Coded(joined, together.dictionary)

    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(names, pool.map(join_one, names), strict=True))
