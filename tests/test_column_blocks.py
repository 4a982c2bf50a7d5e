"""Annotations kept by column: the same as the rows, whatever happens to these."""

import itertools
from typing import Any

import numpy as np
import psycopg
import pytest

from include import catalog, column_blocks, columns, labels, settings
from tests.conftest import annotation, merge, sql

CLIP = "youtube-abcdefghijk-0-10000"


def read() -> columns.Annotations:
    with catalog.connect() as connection:
        return column_blocks.read_all(connection, columns.join)


def read_rows() -> columns.Annotations:
    """As if no merge had kept a block."""
    with catalog.connect() as connection:
        connection.execute("create temporary table every on commit drop as"
                           " select distinct clip_id, 0 as batch from catalog.annotation")  # fmt: skip
        return columns.read_clips(connection, "every", [0])


def told(said: columns.Annotations) -> list[tuple[object, ...]]:
    """Every annotation as plain values, in an order of its own."""
    clips, annotators = said.clip_ids.to_pylist(), said.annotator_ids.to_pylist()
    texts = {name: [*column.texts.to_pylist(), None] for name, column in said.said.items()}
    numbers = {name: np.nan_to_num(getattr(said, name).astype(float), nan=-99.0) for name in columns.NUMBERS[2:]}
    return sorted(
        (
            clips[said.clip[n]],
            annotators[said.annotator[n]],
            int(said.submitted_at[n]),
            int(said.hash[n]),
            *(float(values[n]) for values in numbers.values()),
            *(str(texts[name][said.said[name].codes[n]]) for name in columns.TEXTS),
        )
        for n in range(len(said))
    )


def some(first: int, n: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        annotation(f"youtube-abcdefghijk-{clip}-9000", f"rater {clip % 3}", transcription=f"words {clip % 7}", **fields)
        for clip in range(first, first + n)
    ]


def n_blocks() -> int:
    return len(sql("select block_id from catalog.annotation_block"))


def test_blocks_hold_what_the_rows_do(pipeline: settings.Settings, caplog: pytest.LogCaptureFixture) -> None:
    merge(some(0, 30, emotions=["happy", "sad"], arousal=None))
    merge(some(20, 30, valence=-5, background_sounds=[]))
    merge([annotation(CLIP, "a", retracted=True)])
    assert n_blocks() == 3
    caplog.set_level("INFO")
    assert told(read()) == told(read_rows())
    assert "by the row" not in caplog.text
    assert sql("select sum(n_rows) as n from catalog.annotation_block") == [{"n": 61}]


def test_rows_known_already_are_kept_once(pipeline: settings.Settings) -> None:
    rows = some(0, 8)
    merge(rows[:5])
    merge(rows)
    assert sql("select n_rows from catalog.annotation_block order by block_id") == [{"n_rows": 5}, {"n_rows": 3}]


@pytest.mark.parametrize(
    "change",
    [
        "update catalog.annotation set arousal = 9",
        "delete from catalog.annotation where annotator_id = 'rater 1'",
        "truncate catalog.annotation",
        "insert into catalog.annotation select * from catalog.annotation limit 0",
        "insert into catalog.annotation (annotation_id, clip_id, annotator_id, submitted_at, background_sounds,"
        " emotions, reports, is_retracted, vocabulary_version, file, line) select repeat('a', 64), 'new', annotator_id,"
        " now(), '{}', '{}', '{}', false, vocabulary_version, 'by hand', 1 from catalog.annotation limit 1",
        "delete from catalog.annotation_block where n_rows = 4",
    ],
)
def test_whatever_is_done_to_rows_or_blocks_the_rows_count(pipeline: settings.Settings, change: str) -> None:
    merge(some(0, 20))
    merge(some(20, 4))
    sql(f"{change} returning null" if not change.startswith("truncate") else change)
    expected = told(read_rows())
    assert told(read()) == expected
    assert sum(row["n_rows"] for row in sql("select n_rows from catalog.annotation_block")) == len(expected)
    assert told(read()) == expected  # from the blocks that were made anew


def test_a_relabel_judges_again_if_blocks_turn_out_not_to_hold_all(pipeline: settings.Settings) -> None:
    merge(some(0, 40, emotions=["happy"]))
    sql(
        "insert into catalog.annotation (annotation_id, clip_id, annotator_id, submitted_at, background_sounds,"
        " emotions, reports, is_retracted, vocabulary_version, file, line)"
        " select encode(sha256(annotation_id::bytea), 'hex'), clip_id, 'rater 0', now(), '{}',"
        " array[case when line %% 3 = 0 then 'happy' else 'sad' end], '{}', false,"
        " vocabulary_version, 'by hand', line from catalog.annotation where annotator_id <> 'rater 0' returning null"
    )
    evidence = "select annotator_id, n_annotations, informedness, weight from catalog.annotator_evidence order by 1"
    labels.renew_all()
    found = sql("select * from catalog.label order by clip_id"), sql(evidence)
    assert {label["n_raters"] for label in found[0]} == {1, 2}
    labels.renew_all()  # from the blocks that were made anew
    assert (sql("select * from catalog.label order by clip_id"), sql(evidence)) == found


def test_what_is_deleted_lives_on_in_no_copy(pipeline: settings.Settings) -> None:
    merge(some(0, 20))
    sql("delete from catalog.annotation where annotator_id = 'rater 1' returning null")
    assert n_blocks() == 0


def test_blocks_of_other_columns_are_made_anew(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    merge(some(0, 20))
    expected = told(read())
    with monkeypatch.context() as patched:
        patched.setattr(columns, "PART", columns.PART | {"a column of tomorrow"})
        assert told(read()) == expected
    assert told(read()) == expected


def test_many_small_blocks_become_few(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for clip in range(5):
        merge(some(clip, 1))
    monkeypatch.setattr(column_blocks, "MAX_SMALL_BLOCKS", 3)
    assert len(read()) == 5
    assert n_blocks() == 1
    assert told(read()) == told(read_rows())


def test_a_merge_that_fails_keeps_no_block(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> int:
        raise RuntimeError("no weights")

    monkeypatch.setattr("include.raters.renew", fail)
    with pytest.raises(RuntimeError, match="no weights"):
        merge(some(0, 5))
    assert n_blocks() == 0


def test_a_large_table_is_kept_in_several_blocks(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_blocks, "PAGES_A_BLOCK", 1)
    merge(some(0, 100))
    assert n_blocks() > 1
    assert told(read()) == told(read_rows())
    sql("truncate catalog.annotation_block")
    assert told(read()) == told(read_rows())
    assert n_blocks() > 1


def test_all_readers_see_the_table_of_one_moment(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_blocks, "PAGES_A_BLOCK", 1)
    merge(some(0, 100))
    sql("truncate catalog.annotation_block")
    take_apart = columns._take_apart

    def slowly(*args: Any) -> dict[str, Any]:
        sql("delete from catalog.annotation returning null")  # by another transaction, once a part is read
        return take_apart(*args)

    monkeypatch.setattr(columns, "_take_apart", slowly)
    assert len(read()) == 100
    assert len(read()) == 0


def test_whoever_deletes_rows_waits_for_a_relabel(pipeline: settings.Settings) -> None:
    merge(some(0, 3))
    with catalog.connect() as relabel:
        relabel.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        with catalog.connect() as other:
            other.execute("set lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("delete from catalog.annotation")
    assert len(read()) == 3


def test_what_a_transaction_adds_itself_is_not_there_for_good(pipeline: settings.Settings) -> None:
    merge([annotation(CLIP, "a")])
    with catalog.connect() as connection:
        connection.execute("update catalog.annotation set arousal = 10")
        assert column_blocks.read_all(connection, columns.join).arousal.tolist() != [10]
        connection.rollback()


def test_a_reader_that_fails_leaves_labels_as_they_were(
    pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_blocks, "PAGES_A_BLOCK", 1)
    merge(some(0, 50))
    before = sql("select * from catalog.label order by clip_id")
    sql("update catalog.annotation set arousal = 0 returning null")
    take_apart, n_taken = columns._take_apart, itertools.count()

    def failing(*args: Any) -> dict[str, Any]:
        return take_apart(*args) if next(n_taken) == 0 else sql("select 1 / 0")[0]

    monkeypatch.setattr(columns, "_take_apart", failing)
    with pytest.raises(psycopg.errors.DivisionByZero):
        labels.renew_all()
    assert sql("select * from catalog.label order by clip_id") == before
    assert n_blocks() == 0
