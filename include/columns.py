"""Annotations as columns: read from the catalog in bulk, for arithmetic over millions of them at once.

Texts are coded: a column is an array of integers and the distinct texts that they stand for, so that votes are
counted by integers. docs/decisions/ says why this is not done by Postgres.
"""

from collections.abc import Iterable, Sequence
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

BLOCKS_AT_ONCE = 16_384  # of the table, 8 kB each: about 300,000 annotations
CLIPS_AT_ONCE = 20_000
NOT_SAID = 15
TEXTS = (
    "vocabulary_version", "emotions", "background_sounds", "flagged_fields", "age_group",
    "gender", "accent", "audio_quality", "language", "transcription", "audio_description", "video_description",
)  # fmt: skip
NUMBERS = ("submitted_at", "hash", "arousal", "valence", "time_spent_s", "is_retracted")
LIST_SEPARATOR = "\x1f"


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
    def current(self) -> "Annotations":
        """The latest of each annotator on each clip, by clip and annotator; without what is withdrawn by then."""
        import numpy as np

        pair = self.pair
        order = np.argsort(pair, kind="stable")
        is_same = pair[order[1:]] == pair[order[:-1]]
        several = np.zeros(len(order), bool)
        several[1:] |= is_same
        several[:-1] |= is_same
        rows = order[several]
        order[several] = rows[np.lexsort((self.hash[rows], self.submitted_at[rows], pair[rows]))]
        is_latest = np.append(~is_same, True)[: len(order)]
        latest = order[is_latest]
        return self[latest[~self.is_retracted[latest]]]

    @property
    def pair(self) -> "Numbers":
        """One number for the clip and annotator of each."""
        import numpy as np

        return self.clip.astype(np.int64) * len(self.annotator_ids) + self.annotator

    def newest(self, chosen: "Numbers", n: int) -> "Numbers":
        """Rows of the newest `n` annotations of each annotator that is chosen, a mask of shape (annotators,)."""
        import numpy as np

        rows = np.flatnonzero(chosen[self.annotator])
        # Two sorts of whole numbers are several times faster than one by three columns.
        in_time = rows[np.lexsort((self.hash[rows], self.submitted_at[rows]))]
        key = self.annotator[in_time].astype(np.int64) * len(rows) + np.arange(len(rows))
        rows = in_time[np.argsort(key)]
        ends = np.cumsum(np.bincount(self.annotator[rows], minlength=len(chosen)))
        found: Numbers = rows[ends[self.annotator[rows]] - np.arange(len(rows)) <= n]
        return found


def read_all(connection: "Connection[catalog.Row]") -> Annotations:
    """Every annotation of the catalog."""
    from psycopg import sql

    # Parts of the table by where they lie on disk: each is read once, whatever the order of the clips in it.
    size = connection.execute("select pg_relation_size('catalog.annotation') / 8192 as n_blocks").fetchone()
    assert size is not None  # a function of one row
    part = sql.SQL("catalog.annotation where ctid >= {}::tid and ctid < {}::tid")
    return _read(
        connection,
        [
            part.format(f"({first},0)", f"({first + BLOCKS_AT_ONCE},0)")
            for first in range(0, max(1, size["n_blocks"]), BLOCKS_AT_ONCE)
        ],
    )


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
    return _read(connection, [part.format(table=sql.Identifier(clip_table), batch=batch) for batch in batches], texts)


def _read(
    connection: "Connection[catalog.Row]", parts: "list[sql.Composed]", texts: Sequence[str] = TEXTS
) -> Annotations:
    """Fetch parts one after the other; while the server is at the next, the last is taken apart."""
    from psycopg import sql

    # Compiling the statement takes longer than it saves.
    connection.execute("set local jit = off")
    parts = parts or [sql.SQL("catalog.annotation where false").format()]
    statement = sql.SQL(catalog.statement("select_annotation_columns"))
    with ThreadPoolExecutor(1) as pool, connection.cursor(binary=True) as cursor:
        taken_apart = []
        for part in parts:
            fetched = cursor.execute(statement.format(source=part)).fetchone()
            assert fetched is not None  # an aggregate has one row
            taken_apart.append(pool.submit(_take_apart, fetched, texts))
            del fetched
        return _join([done.result() for done in taken_apart], texts)


def _take_apart(fetched: catalog.Row, texts: Sequence[str]) -> dict[str, Any]:
    """One part as arrays: numbers by name, and for each text its Arrow dictionary."""
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
            name: _texts(fetched[name], fetched["n_rows"]).dictionary_encode()
            for name in ("clip_id", "annotator_id", *texts)
        },
    }


def _texts(joined: bytes | None, n_rows: int) -> "pa.StringArray":
    """Texts that are parted by NUL; null where a text is blank."""
    import numpy as np
    import pyarrow as pa

    if not n_rows:
        return pa.array([], pa.string())
    content = np.frombuffer(joined or b"", np.uint8)
    is_end = content == 0
    texts = content[~is_end]
    ends = np.append(np.flatnonzero(is_end) - np.arange(n_rows - 1), len(texts)).astype(np.int32)
    offsets = np.append(np.int32(0), ends)
    is_text = np.packbits(np.diff(offsets) > 0, bitorder="little")
    buffers = (pa.py_buffer(offsets), pa.py_buffer(texts), pa.py_buffer(is_text))
    return pa.StringArray.from_buffers(n_rows, *buffers)


def _join(parts: list[dict[str, Any]], texts: Sequence[str]) -> Annotations:
    import numpy as np
    import pyarrow as pa

    def numbers(name: str) -> "Numbers":
        return np.concatenate([part.pop(name) for part in parts])

    def coded(name: str) -> Coded:
        found = pa.chunked_array([part.pop(name) for part in parts]).unify_dictionaries().combine_chunks()
        return Coded(found.indices.fill_null(-1).to_numpy(), found.dictionary)

    clip, annotator = coded("clip_id").ranked(), coded("annotator_id").ranked()
    return Annotations(
        clip=clip.codes,
        clip_ids=clip.texts,
        annotator=annotator.codes,
        annotator_ids=annotator.texts,
        **{name: numbers(name) for name in NUMBERS},
        said={name: coded(name) for name in texts},
    )
