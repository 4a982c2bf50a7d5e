"""A merge that is killed at any point, and run again: the catalog and the inbox are as if nothing had happened.

Killed is meant: a child process ends by SIGKILL at the n-th thing that it asks of the database or the store, for
every n. It says goodbye to nobody, so the server must find out by itself, as after a power cut of a worker.
"""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from include import annotations, labels, settings, store
from tests.conftest import annotation, believe, jsonl, merge, ready_clip, sql

CLIP = "youtube-abcdefghijk-0-10000"
PATH = "inbox/annotations/evening.jsonl"
# What a process asks of the server and the store; the end of a COPY, when its rows are sent, and a commit among them.
ASKS = [
    (psycopg.Cursor, "execute"),
    (psycopg.Cursor, "executemany"),
    (psycopg.Cursor, "copy"),
    (psycopg.ServerCursor, "execute"),
    (psycopg.Copy, "__exit__"),
    (psycopg.Connection, "commit"),
    (store, "move"),
]
WHEN_THINGS_HAPPENED = ("merged_at", "rejected_at", "renewed_at", "first_seen_at", "decided_at")
WRITTEN = (
    "select * from catalog.annotation order by annotation_id",
    "select * from catalog.annotation_reject order by reject_id",
    "select * from catalog.annotator order by annotator_id",
    "select * from catalog.annotator_evidence order by annotator_id",
    "select * from catalog.clip order by clip_id",
    "select * from catalog.label order by clip_id",
    "select * from catalog.source order by source_id",
    "select * from catalog.vocabulary order by version, word",
)


def catalog_state() -> list[list[dict[str, Any]]]:
    """Every row that a merge may write, but for the times when it did."""
    return [
        [{name: value for name, value in row.items() if name not in WHEN_THINGS_HAPPENED} for row in sql(statement)]
        for statement in WRITTEN
    ]


def inbox_state() -> list[str]:
    """What lies where in the inbox, whatever the batch was called."""
    parts = [path.split("/") for path in store.paths_below("inbox")]
    return [f"{where}/{rest[-1]}" for _, where, *rest in parts]


def evening(seed_clip: str) -> list[Any]:
    """A file of all that may befall a row: new, superseded, retracted, waiting, refused, twice, a new candidate."""
    words = ["happy", "sad", "calm", "neutral"]
    rows: list[Any] = [
        annotation(f"youtube-abcdefghijk-{n}-9000", who, emotions=[words[(n + len(who)) % 4]], arousal=(3 * n) % 11)
        for n in range(12)
        for who in ("ada", "bob", "cyd")
    ]
    texts = {"ada": "one too three four", "bob": "one two tree four", "cyd": "one two three for"}
    rows += [annotation(seed_clip, who, transcription=text) for who, text in texts.items()]
    named = annotation("x", "dan", url="https://youtu.be/cdefghijklm", start_s=0, end_s=5)
    rows += [{k: v for k, v in named.items() if k != "clip_id"}]
    rows += [annotation(seed_clip, "eve", retracted=True), rows[0], "no row", {**rows[1], "arousal": 11}]
    return rows


def prepare(content: bytes) -> None:
    """A catalog with a history: a clip with votes, one annotator blocked since; and a file in the inbox."""
    # A truncate of so many small tables takes longer than all the rest.
    for statement in (
        "delete from catalog.annotation", "delete from catalog.annotation_reject", "delete from catalog.label",
        "delete from catalog.annotator_evidence", "delete from catalog.annotator_overrule",
        "delete from catalog.annotator", "delete from catalog.clip", "delete from catalog.source",
        "delete from catalog.vocabulary",
    ):  # fmt: skip
        sql(statement)
    for path in store.paths_below("inbox"):
        store.delete(path)
    assert ready_clip("abcdefghijk", duration_s=10) == CLIP
    merge(HISTORY)
    believe("mal", state="blocked")
    store.write_bytes(PATH, content)


HISTORY = [annotation(CLIP, who) for who in ("ada", "eve", "mal")]


def killed_at(n: int, job: Callable[[], object]) -> bool:
    """Run a job in a child process that SIGKILL ends at its n-th ask; whether it came so far."""
    child = os.fork()
    if child == 0:
        asked = 0

        def counting(ask: Callable[..., Any]) -> Callable[..., Any]:
            def asking(*arguments: Any, **options: Any) -> Any:
                nonlocal asked
                asked += 1
                if asked == n:
                    os.kill(os.getpid(), signal.SIGKILL)
                return ask(*arguments, **options)

            return asking

        ended_well = False
        try:
            for owner, name in ASKS:
                setattr(owner, name, counting(getattr(owner, name)))
            job()
            ended_well = True
        finally:
            os._exit(not ended_well)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def every_point(job: Callable[[], object]) -> Iterator[int]:
    """Kill the job at its first ask, at its second, and so on, until it comes through; the number of each."""
    n = 1
    while killed_at(n, job):
        yield n
        n += 1


def test_a_merge_killed_anywhere_and_run_again_is_as_one_that_was_not(pipeline: settings.Settings) -> None:
    import crowdkit.aggregation  # noqa: F401  # once, not in each child

    content = jsonl(evening(CLIP))

    def job() -> dict[str, int]:
        return annotations.merge_inbox_file(PATH, "batch")

    prepare(content)
    before = catalog_state()
    assert job()["accepted"] > 30
    after, inbox = catalog_state(), inbox_state()
    assert inbox == ["merged/evening.jsonl"]
    prepare(content)
    n_points = 0
    for n_points in every_point(job):
        # Nothing half visible: all of the file or nothing of it, and the file is never lost.
        assert catalog_state() in (before, after), n_points
        assert inbox_state() in (["annotations/evening.jsonl"], inbox), n_points
        job()
        assert catalog_state() == after, n_points
        assert inbox_state() == inbox, n_points
        prepare(content)
    assert n_points > 20  # statements, ends of COPY, commit, move


def test_a_relabel_killed_anywhere_and_run_again_is_as_one_that_was_not(pipeline: settings.Settings) -> None:
    import crowdkit.aggregation  # noqa: F401

    def change_a_weight() -> None:
        believe("bob")
        labels.renew_all()
        believe("bob", weight=0.25)

    prepare(b"")
    merge(evening(CLIP))
    change_a_weight()
    before = catalog_state()
    labels.renew_all()
    after = catalog_state()
    assert after != before
    change_a_weight()
    n_points = 0
    for n_points in every_point(labels.renew_all):
        assert catalog_state() in (before, after), n_points
        labels.renew_all()
        assert catalog_state() == after, n_points
        change_a_weight()
    assert n_points > 15
