"""What of the catalog is the same whatever the order of files, rows and repetitions; and when all of it is.

Weights follow what is known when a file is merged, and move only the labels of clips with new votes. So weighted
figures are a function of the set of rows after a relabel; everything else always is.
"""

import random
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from include import labels, raters, settings
from tests.conftest import annotation, merge, sql

WORDS = ["happy", "sad", "calm", "angry", "afraid", "neutral"]
WEIGHTED = ("arousal_weighted", "valence_weighted", "emotion_soft")
PROVENANCE = ("file", "line", "merged_at", "source_ref")


def crowd(seed: int, n_clips: int = 40) -> list[Any]:
    """Rows of reliable, middling, random and machine-like annotators; with mistakes, second thoughts, waiting clips."""
    rng = random.Random(seed)
    reliability = {"good": 0.95, "fair": 0.85, "poor": 0.4, "dice": 0.0}
    rows: list[Any] = ["no row", {"annotator_id": "x"}]
    for n in range(n_clips):
        word, arousal = rng.choice(WORDS), rng.randint(0, 10)
        clip_id = f"youtube-abcdefghijk-{n}-9000"
        by_address = {"url": "https://youtu.be/abcdefghijk", "start_s": n / 1000, "end_s": 9.0}
        for who, share in reliability.items():
            is_right = rng.random() < share
            said = {
                "emotions": [word if is_right else rng.choice(WORDS)],
                "arousal": arousal if is_right else rng.randint(0, 10),
                "valence": rng.randint(-5, 5), "retracted": rng.random() < 0.05,
            }  # fmt: skip
            row = annotation(clip_id, who, **said)
            rows.append({**row, "clip_id": None, **by_address} if rng.random() < 0.3 else row)
            if rng.random() < 0.1:
                rows.append(annotation(clip_id, who, **{**said, "emotions": [rng.choice(WORDS)]}))
        # Too fast, and always the same: blocked by what it does alone, once enough of it is there.
        rows.append(annotation(clip_id, "machine", time_spent_s=0.1, emotions=["happy"], arousal=10))
    return rows


def empty() -> None:
    sql("truncate catalog.annotation, catalog.annotation_reject, catalog.label, catalog.annotator cascade")
    sql("truncate catalog.source cascade")


def found(statement: str, *left_out: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in left_out} for row in sql(statement)]


def always_the_same() -> list[Any]:
    """All of the catalog but weights and what is weighted."""
    return [
        found("select * from catalog.annotation order by annotation_id", *PROVENANCE),
        found("select * from catalog.current_annotation order by annotation_id", *PROVENANCE),
        found("select reject_id, raw, reason from catalog.annotation_reject order by reject_id"),
        found("select * from catalog.clip order by clip_id", "first_seen_at"),
        found("select * from catalog.source order by source_id", "first_seen_at"),
        found("select * from catalog.label order by clip_id", *WEIGHTED),
        found("select annotator_id, state = 'blocked' as is_blocked, is_counted from catalog.annotator order by 1"),
    ]


def everything() -> list[Any]:
    return [
        *always_the_same(),
        found("select * from catalog.label order by clip_id"),
        found("select * from catalog.annotator order by annotator_id", "first_seen_at"),
        found("select * from catalog.annotator_evidence order by annotator_id", "renewed_at"),
    ]


def merge_in_pieces(rows: list[Any], rng: random.Random) -> None:
    """Merge the rows shuffled, many of them twice, cut into files anywhere."""
    pieces = [*rows, *rng.sample(rows, len(rows) // 2)]
    rng.shuffle(pieces)
    cuts = sorted(rng.sample(range(len(pieces)), 4))
    for n, (first, last) in enumerate(zip([0, *cuts], [*cuts, len(pieces)], strict=True)):
        merge(pieces[first:last], f"{rng.random()}-{n}.jsonl")


@hypothesis_settings(
    max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**6))
def test_the_same_rows_come_to_the_same_catalog(pipeline: settings.Settings, seed: int) -> None:
    rows, rng = crowd(seed), random.Random(seed)
    empty()
    merge(rows)
    lasting = always_the_same()
    assert {"annotator_id": "machine", "is_blocked": True, "is_counted": False} in lasting[-1]
    labels.renew_all()
    assert always_the_same() == lasting
    whole = everything()
    labels.renew_all()
    assert everything() == whole
    empty()
    merge_in_pieces(rows, rng)
    assert always_the_same() == lasting
    labels.renew_all()
    assert everything() == whole


def test_one_file_of_all_rows_needs_no_relabel(pipeline: settings.Settings) -> None:
    merge(crowd(3))
    once = everything()
    labels.renew_all()
    assert everything() == once


def test_a_merge_renews_weights_and_moves_only_labels_with_new_votes(pipeline: settings.Settings) -> None:
    rows = [row for row in crowd(5) if isinstance(row, dict) and row.get("end_s") is None and "clip_id" in row]
    parts = [range(4), range(4, 25), range(25, 40)]
    first, second, third = (
        [row for row in rows if row["clip_id"] in {f"youtube-abcdefghijk-{n}-9000" for n in part}] for part in parts
    )

    def early() -> list[dict[str, Any]]:
        clip_ids = [row["clip_id"] for row in first]
        return sql("select * from catalog.label where clip_id = any(%s) order by clip_id", clip_ids)

    merge(first)
    before = early()
    merge(second)
    # The machine is blocked meanwhile, so its votes leave these clips: nothing else moves them.
    quiet = early()
    assert [row["n_raters"] for row in quiet] == [row["n_raters"] - 1 for row in before]
    weights = {row["annotator_id"]: row["weight"] for row in raters.annotators()}
    merge(third)
    assert {row["annotator_id"]: row["weight"] for row in raters.annotators()} != weights
    assert early() == quiet
    labels.renew_all()
    relabelled = early()
    assert relabelled != quiet
    for one, other in zip(relabelled, quiet, strict=True):
        assert {k: v for k, v in one.items() if k not in WEIGHTED} == {
            k: v for k, v in other.items() if k not in WEIGHTED
        }
