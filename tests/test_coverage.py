"""Coverage is counted by what changed, and is always what one counts by hand."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import annotation, merge, sql

from include import catalog, clip_list, coverage, labels, settings
from tests.test_merge_crash import every_point

N_SOURCES = 12
N_CLIPS = 40
AIMS = ("{}", '{"language": ["de"]}', '{"family": ["neutral", "sarcasm"]}')
STATES = ("candidate", "ready", "failed", "rejected", "gone", "blocked")

INSERT_SOURCE = """
insert into catalog.source (source_id, url, speaker_group, aim, is_to_cut)
values (%(source)s, 'https://bench.example/' || %(source)s, 'g', %(aim)s, %(flag)s) on conflict do nothing"""
INSERT_CLIPS = """
insert into catalog.clip (clip_id, source_id, start_ms, end_ms, state, reason, retry_at, audio_sha256, duration_s)
select 'c-' || n, %(source)s, 0, 9000, %(state)s, 'r', now(), repeat('0', 64), 9
from generate_series(%(first)s::int, %(last)s) as n on conflict do nothing"""
INSERT_LABELS = """
insert into catalog.label (clip_id, n_raters, emotion_votes, word_votes, emotion_soft, emotion_hard, emotion_plurality,
    has_agreement, arousal_n, valence_n, background_sounds, is_held, vocabulary_version, language, perceived_gender,
    perceived_age_group)
select 'c-' || n, (n + %(salt)s) %% 4, '{}', '{}', '{}', '{}',
    (array['{neutral}', '{sarcasm,neutral}', '{}'])[1 + (n + %(salt)s) %% 3]::text[], true, 0, 0, '{}', false, 'v',
    case when (n + %(salt)s) %% 2 = 0 then 'de' end, case when n %% 5 = 0 then 'female' end,
    case when (n + %(salt)s) %% 7 > 0 then '20-39' end
from generate_series(%(first)s::int, %(last)s) as n on conflict do nothing"""
CHANGES = {
    INSERT_SOURCE: 4,
    INSERT_CLIPS: 6,
    INSERT_LABELS: 8,
    "delete from catalog.label where clip_id = any(%(clips)s)": 5,
    "update catalog.label set language = 'fr', n_raters = %(salt)s where clip_id = any(%(clips)s)": 2,
    "update catalog.clip set state = %(state)s where clip_id = any(%(clips)s)": 8,
    "update catalog.clip set hint = 'a hint' where clip_id = any(%(clips)s)": 1,
    "delete from catalog.clip where clip_id = any(%(clips)s)": 2,
    "update catalog.source set aim = %(aim)s, is_to_cut = %(flag)s where source_id = %(source)s": 4,
    "update catalog.source set is_to_cut = not is_to_cut where source_id = %(source)s": 1,
    "delete from catalog.source where source_id = %(source)s and not exists (select from catalog.clip"
    " where clip.source_id = source.source_id)": 1,
    "truncate catalog.label": 0.3,
    "truncate catalog.clip": 0.1,
}  # fmt: skip


def change(dice: random.Random) -> tuple[str, dict[str, Any]]:
    """A statement that changes what is counted, and what it is run with."""
    [statement] = dice.choices(list(CHANGES), list(CHANGES.values()))
    first = dice.randrange(N_CLIPS)
    last = first + dice.choice((0, 0, 3, 10))
    return statement, {
        "source": f"bench:{dice.randrange(N_SOURCES)}",
        "aim": dice.choice(AIMS),
        "flag": dice.random() < 0.3,
        "first": first,
        "last": last,
        "clips": [f"c-{n}" for n in range(first, last + 1)],
        "state": dice.choice(STATES),
        "salt": dice.randrange(5),
    }


def by_hand() -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Clips that are labelled and clips on their way, by group, as one counts them by hand."""
    labels = {r["clip_id"]: r for r in sql("select * from catalog.label where n_raters > 0")}
    aims = {r["source_id"]: r["aim"] for r in sql("select source_id, aim from catalog.source")}
    clips = sql("select clip_id, source_id, state from catalog.clip")
    have: Counter[tuple[str, str]] = Counter()
    on_their_way: list[str] = []
    for clip in clips:
        label = labels.get(clip["clip_id"])
        if clip["state"] == "ready" and label:
            said = {"language": "language", "gender": "perceived_gender", "age_group": "perceived_age_group"}
            have.update((name, label[column]) for name, column in said.items() if label[column])
            have.update(("family", value) for value in label["emotion_plurality"])
        elif clip["state"] in ("ready", "candidate", "failed"):
            on_their_way.append(clip["source_id"])
    cut = {clip["source_id"] for clip in clips}
    to_cut = sql("select source_id from catalog.source where is_to_cut")
    on_their_way += [row["source_id"] for row in to_cut if row["source_id"] not in cut]
    return have, Counter(
        (name, value) for one in on_their_way for name, values in aims[one].items() for value in values
    )


def is_counted_anew() -> bool:
    return bool(sql("select 1 from catalog.coverage_change where kind = 'everything'"))


@pytest.fixture
def scattered(pipeline: settings.Settings) -> settings.Settings:
    """A catalog of a bit of everything, counted."""
    with catalog.connect() as connection:
        for n in range(N_SOURCES):
            given = {"source": f"bench:{n}", "aim": AIMS[n % 3], "flag": n % 5 == 0}
            connection.execute(INSERT_SOURCE, given)
        for n in range(N_CLIPS):
            given = {"source": f"bench:{n * 7 % 9}", "state": (*STATES, "ready")[n % 7], "first": n, "last": n}
            connection.execute(INSERT_CLIPS, given)
        connection.execute(INSERT_LABELS, {"first": 0, "last": N_CLIPS * 2 // 3, "salt": 0})
    assert is_counted_anew()
    have, in_pipeline = coverage.read()
    assert (have, in_pipeline) == by_hand()
    assert len(have) == 5
    assert len(in_pipeline) == 3
    return pipeline


def test_what_changes_is_counted_and_what_does_not_is_kept(scattered: settings.Settings) -> None:
    for seed in range(25):
        with catalog.connect() as connection:
            connection.execute(*change(random.Random(seed)))
        assert coverage.read() == by_hand(), seed
        assert coverage.read() == by_hand(), seed
        assert not sql("select 1 from catalog.coverage_change")
        assert not sql("select 1 from catalog.coverage where n_clips <= 0")


@pytest.fixture
def impatient(scattered: settings.Settings) -> settings.Settings:
    """A catalog in which nobody waits for a lock: whoever would gives up, as all here run in one thread."""
    [row] = sql("select current_database() as name")
    with catalog.connect() as connection:
        named = psycopg.sql.Identifier(row["name"])
        connection.execute(psycopg.sql.SQL("alter database {} set lock_timeout = '5ms'").format(named))
    return scattered


@pytest.mark.parametrize("seed", range(6))
def test_transactions_that_do_not_see_each_other_are_counted_in_any_order(
    impatient: settings.Settings, seed: int
) -> None:
    dice = random.Random(seed)
    n_moved = n_blocked = 0
    with ExitStack() as stack:
        two = [stack.enter_context(catalog.connect()) for _ in range(2)]
        for _ in range(250):
            connection = dice.choice(two)
            try:
                match dice.random():
                    case chance if chance < 0.65:
                        connection.execute(*change(dice))
                    case chance if chance < 0.7:
                        with connection.transaction(force_rollback=True):
                            connection.execute(*change(dice))
                    case chance if chance < 0.8:
                        connection.commit()
                    case chance if chance < 0.85:
                        connection.rollback()
                    case _:
                        is_moved = not is_counted_anew()
                        assert coverage.read() == by_hand()
                        n_moved += is_moved
            except (psycopg.errors.LockNotAvailable, psycopg.errors.ForeignKeyViolation):
                n_blocked += 1
                connection.rollback()
        for connection in two:
            connection.commit()
    assert coverage.read() == by_hand()
    assert n_moved > 10
    assert n_blocked > 0


def test_a_clip_that_becomes_ready_while_its_label_is_written_is_counted(scattered: settings.Settings) -> None:
    sql("update catalog.clip set state = 'candidate' where clip_id = 'c-1'")
    sql("delete from catalog.label where clip_id = 'c-1'")
    assert coverage.read() == by_hand()
    with catalog.connect() as transcoding, catalog.connect() as merging:
        transcoding.execute("update catalog.clip set state = 'ready' where clip_id = 'c-1'")
        merging.execute(INSERT_LABELS, {"first": 1, "last": 1, "salt": 0})
        assert coverage.read() == by_hand()
        transcoding.commit()
        assert coverage.read() == by_hand()
        merging.commit()
        have, _ = coverage.read()
        assert (have, _) == by_hand()


def test_planners_at_once_count_each_change_once(scattered: settings.Settings) -> None:
    dice = random.Random(1)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for _ in range(5):
                with catalog.connect() as connection:
                    connection.execute(*change(dice))
            counted = list(pool.map(lambda _: coverage.read(), range(4)))
            assert counted == [by_hand()] * 4


def test_a_planner_that_is_killed_loses_no_change(scattered: settings.Settings) -> None:
    dice = random.Random(2)

    def changed() -> Iterator[None]:
        while True:
            for _ in range(3):
                with catalog.connect() as connection:
                    connection.execute(*change(dice))
            yield

    more = changed()
    next(more)
    n_points = 0
    for n_points in every_point(coverage.read):
        assert coverage.read() == by_hand(), n_points
        next(more)
    assert n_points >= 7
    assert coverage.read() == by_hand()


def manifest_of(folder: Path, *video_ids: str) -> Path:
    path = folder / "clips.csv"
    path.write_text("".join(f"{video_id},0,10\n" for video_id in video_ids))
    return path


def source_of(video_id: str, aim: str) -> None:
    given = {"source": f"youtube:{video_id}", "aim": aim, "flag": False}
    with catalog.connect() as connection:
        connection.execute(INSERT_SOURCE, given)


def test_a_manifests_clips_count_if_their_source_was_sought(scattered: settings.Settings, tmp_path: Path) -> None:
    source_of("aaaaaaaaaaa", AIMS[1])
    source_of("aaaaaaaaaab", AIMS[0])
    before = coverage.read()
    path = manifest_of(tmp_path, "aaaaaaaaaaa", "aaaaaaaaaab", "aaaaaaaaaac")
    assert clip_list.import_file(path)["new_clips"] == 3
    assert len(sql("select 1 from catalog.coverage_change where kind = 'clip'")) == 1
    assert coverage.read() == by_hand()
    assert coverage.read()[1] == before[1] + Counter({("language", "de"): 1})
    assert clip_list.import_file(path)["new_clips"] == 0
    assert not sql("select 1 from catalog.coverage_change")


def test_a_source_that_is_sought_while_a_manifest_is_taken_in_counts(
    scattered: settings.Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_of("aaaaaaaaaaa", AIMS[0])
    run = catalog.run
    planned: list[Any] = []

    def meanwhile(connection: Any, name: str, /, **parameters: object) -> int:
        n_rows = run(connection, name, **parameters)
        if name == "note_manifest_clips":
            sql("update catalog.source set aim = %s where source_id = 'youtube:aaaaaaaaaaa'", AIMS[1])
            planned.append(pool.submit(coverage.read))
            with pytest.raises(TimeoutError):
                planned[0].result(0.3)
        return n_rows

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(catalog, "run", meanwhile)
        clip_list.import_file(manifest_of(tmp_path, "aaaaaaaaaaa"))
        assert planned[0].result(10) == by_hand()
    assert coverage.read() == by_hand()


def test_very_many_changes_are_counted_from_scratch(scattered: settings.Settings) -> None:
    with catalog.connect() as connection:
        connection.execute(INSERT_LABELS, {"first": 1000, "last": 51_000, "salt": 0})
    assert [row["kind"] for row in sql("select kind from catalog.coverage_change")] == ["everything"]
    with catalog.connect() as connection:
        connection.execute(INSERT_CLIPS, {"source": "bench:1", "state": "ready", "first": 1000, "last": 2000})
    assert coverage.read() == by_hand()
    for _ in range(51):
        sql("update catalog.clip set state = case state when 'ready' then 'failed' else 'ready' end")
    assert not is_counted_anew()
    [row] = sql("select catalog.is_too_much_to_note(count(*)) as is_much from catalog.coverage_change")
    assert row["is_much"]
    assert coverage.read() == by_hand()


@pytest.mark.parametrize("n_known", [1_000, 5_000])
def test_what_a_count_reads_follows_what_changed(scattered: settings.Settings, n_known: int) -> None:
    with catalog.connect() as connection:
        connection.execute(INSERT_CLIPS, {"source": "bench:1", "state": "ready", "first": 1000, "last": 999 + n_known})
        connection.execute(INSERT_LABELS, {"first": 1000, "last": 999 + n_known, "salt": 0})
    coverage.read()
    sql("analyze")
    sql("update catalog.clip set state = 'failed' where clip_id in ('c-1001', 'c-1002', 'c-1003')")
    read = (
        "select sum(seq_tup_read + idx_tup_fetch) as n_rows from pg_stat_xact_user_tables"
        " where relname in ('clip', 'label', 'source')"
    )
    with catalog.connect() as connection:
        coverage.keep_up(connection)
        row = connection.execute(read).fetchone()
    assert row
    assert row["n_rows"] < 20
    assert coverage.read() == by_hand()


def test_labels_made_after_a_relabel_are_noted(pipeline: settings.Settings) -> None:
    clip = "youtube-abcdefghijk-0-9000"
    trigger = "select pg_get_triggerdef(oid) as made from pg_trigger where tgrelid = 'catalog.label'::regclass"
    before = sql(f"{trigger} order by tgname")
    merge([annotation(clip, "a")])
    assert labels.renew_all() == 1
    assert sql(f"{trigger} order by tgname") == before
    assert "everything" in {row["kind"] for row in sql("select kind from catalog.coverage_change")}
    sql("truncate catalog.coverage_change")
    merge([annotation(clip, "b")])
    assert {row["kind"] for row in sql("select kind from catalog.coverage_change where id = %s", clip)} == {"label"}
