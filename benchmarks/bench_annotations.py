"""Annotations: the contract against a bare COPY, a merge of fresh rows against a full relabel.

    python -m benchmarks.bench_annotations [ROWS] [FRESH_ROWS]

Makes a catalog of its own on the embedded server of the run folder, and leaves it there.
"""

import io
import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from include import annotations, catalog, labels, readers, settings
from include.contract import COLUMNS, Accepted

WORDS = ("happy", "sad", "calm", "angry", "neutral", "afraid", "amazed")
RATERS_PER_CLIP = 5
ROWS_PER_ANNOTATOR = 500


def row(n: int, n_annotators: int) -> dict[str, Any]:
    """A plausible annotation, the n-th: five raters a clip, who mostly agree."""
    rng = random.Random(n)
    clip = n // RATERS_PER_CLIP
    truth = random.Random(-clip - 1)
    word, arousal = truth.choice(WORDS), truth.randint(0, 10)
    return {
        "clip_id": f"youtube-abcdefghijk-{clip}-{clip + 9000}",
        "annotator_id": f"rater-{rng.randrange(n_annotators)}",
        "submitted_at": f"2026-01-01T10:{n // 1_000_000:02}:00.{n % 1_000_000:06}Z",
        "time_spent_s": round(rng.uniform(10, 60), 1),
        "arousal": min(10, max(0, arousal + rng.randint(-2, 2))),
        "valence": rng.randint(-5, 5),
        "emotions": [word if rng.random() < 0.8 else rng.choice(WORDS)],
        "gender": rng.choice(("male", "female")),
        "age_group": "20-39",
        "audio_quality": "good",
        "transcription": "This is what was said in the clip",
        "background_sounds": ["none"],
    }


def file(first: int, n_rows: int, n_annotators: int) -> bytes:
    """Rows as JSONL."""
    return b"".join(json.dumps(row(n, n_annotators)).encode() + b"\n" for n in range(first, first + n_rows))


def seconds(work: Callable[[], Any]) -> float:
    """Wall clock of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def copy_unchecked(content: bytes) -> float:
    """Seconds that COPY takes for the same rows, as records that are ready."""
    records = [
        found.record("bench") for found in readers.read(io.BytesIO(content), "a.jsonl") if isinstance(found, Accepted)
    ]
    with catalog.connect() as connection:
        connection.execute("create temporary table bare (like catalog.annotation including defaults) on commit drop")
        return seconds(lambda: catalog.copy_in(connection, "bare", COLUMNS, records))


def main() -> None:
    """Print the table."""
    n_rows, n_fresh = (int(given) for given in [*sys.argv[1:3], "200000", "10000"][:2])
    url = catalog.embedded_url("bench_annotations")
    settings.configure(catalog_url=url)
    with catalog.connect() as connection:
        connection.execute("drop schema if exists catalog cascade")
    catalog.migrate()
    n_annotators = max(10, n_rows // ROWS_PER_ANNOTATOR)
    content = file(0, n_rows, n_annotators)
    bare_s = copy_unchecked(content)
    began = time.process_time()
    for found in readers.read(io.BytesIO(content), "a.jsonl"):
        if isinstance(found, Accepted):
            found.record("bench")
    contract_s = time.process_time() - began
    merge_s = seconds(lambda: annotations.merge_stream(io.BytesIO(content), "a.jsonl"))
    fresh = file(n_rows, n_fresh, n_annotators)
    fresh_s = seconds(lambda: annotations.merge_stream(io.BytesIO(fresh), "b.jsonl"))
    full_s = seconds(labels.renew_all)
    whole_s = contract_s + bare_s
    print(f"{n_rows} rows of {n_annotators} annotators; {n_fresh} fresh ones")
    for what, took_s, ratio, goal in (
        ("contract alone, CPU", contract_s, f"{n_rows / contract_s:.0f} rows/s", ">= 25000 rows/s"),
        ("COPY without checks", bare_s, f"{n_rows / bare_s:.0f} rows/s", ""),
        ("contract and COPY", whole_s, f"{whole_s / bare_s:.1f} x COPY", "<= 6 x COPY"),
        ("merge, weights, labels", merge_s, f"{n_rows / merge_s:.0f} rows/s", ""),
        ("merge of fresh rows", fresh_s, f"1/{full_s / fresh_s:.1f} of full", "<= 1/15 (50,000 onto 5,000,000)"),
        ("full relabel", full_s, "", ""),
    ):
        print(f"{what:24}{took_s:8.2f} s  {ratio:16}{goal}")


if __name__ == "__main__":
    main()
