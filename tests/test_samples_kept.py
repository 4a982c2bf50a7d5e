"""Samples are kept once and made anew only of what changed: the same bytes as if each release made all of them."""

import io
import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import psycopg
import pyarrow.parquet as pq
import pytest

from include import catalog, frozen_rows, labels, release, sample_rows, settings, store, tables
from tests.conftest import agreed, annotation, merge, ready_clip, sql

pytestmark = pytest.mark.usefixtures("quick")

V1, V2, V3 = "2026.01.01", "2026.01.02", "2026.01.03"
GENDERS = ("female", "male", "other", None)


@pytest.fixture
def clip_ids(pipeline: settings.Settings) -> list[str]:
    """Ids of eight releasable clips of eight speakers who are heard alike."""
    settings.configure(**{**pipeline.model_dump(), "pseudonym_key": "k" * 32, "shard_samples": 3})
    clips = [ready_clip(f"{n:011}", channel=f"Channel {n}") for n in range(8)]
    agreed(clips, gender="female", age_group="20-39", accent="irish")
    return clips


def files(version: str) -> dict[str, bytes]:
    return {path: store.read_bytes(path) for path in store.paths_below(f"releases/{version}")}


def stamps() -> dict[str, Any]:
    return {row["clip_id"]: row for row in sql("select * from catalog.sample_stamp")}


def n_made(version: str, caplog: pytest.LogCaptureFixture) -> int:
    """How many samples a freeze kept that were not there."""
    (message,) = [m for m in caplog.messages if m.startswith(f"release {version}: ") and m.endswith("samples are new")]
    return int(message.split()[2])


# Made of what changed, and of nothing else


@pytest.mark.parametrize(
    ("change", "clips"),
    [
        ("update catalog.label set arousal_mean = 9 where clip_id = %s", 1),
        ("update catalog.clip set measures = measures || '{\"snr_db\": 7}' where clip_id = %s", 1),
        ("update catalog.source set title = 'Another' where source_id = (select source_id from catalog.clip"
         " where clip_id = %s)", 1),
        ("update catalog.label set transcription = 'a@b.org' where clip_id = %s", 0),  # says nothing, as before
        ("update catalog.annotation set arousal = 9 where clip_id = %s", 0),  # of no label yet
    ],
)  # fmt: skip
def test_what_changed_is_made_anew_and_the_rest_is_not(
    clip_ids: list[str], change: str, clips: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    release.build(V1)
    assert n_made(V1, caplog) == len(clip_ids)
    before = stamps()
    sql(change, clip_ids[3])
    release.freeze(V2)
    assert n_made(V2, caplog) == clips
    after = stamps()
    assert [clip_id for clip_id in clip_ids if after[clip_id] != before[clip_id]] in ([], [clip_ids[3]])
    assert len(sql("select * from catalog.sample")) == len(clip_ids) + clips


def test_a_night_without_changes_makes_no_sample_and_labels_renewed_make_the_same(
    clip_ids: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    release.build(V1)
    before = stamps()
    assert release.build(V2)["is_changed"] is False
    assert (n_made(V2, caplog), stamps() == before) == (0, True)
    labels.renew_all()
    assert release.build(V3)["is_changed"] is False
    assert n_made(V3, caplog) == 0
    assert all(stamps()[clip_id]["label_xmin"] != before[clip_id]["label_xmin"] for clip_id in clip_ids)


def test_a_group_that_grows_past_five_people_changes_its_clips(clip_ids: list[str]) -> None:
    german = [ready_clip(f"german{n:05}", channel=f"German {n}") for n in range(4)]
    agreed(german, gender="female", age_group="20-39", accent="german")
    release.build(V1)
    more = ready_clip("german99999", channel="German 99")
    agreed([more], gender="female", age_group="20-39", accent="german")
    release.build(V2)
    changed = json.loads(store.read_bytes(f"releases/{V2}/changes.json"))
    assert changed["added"] == [more]
    assert changed["changed"] == {clip_id: ["perceived_accent", "perceived_accent_share"] for clip_id in sorted(german)}


def test_a_label_that_goes_back_is_the_sample_it_was(clip_ids: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    sql("update catalog.label set arousal_mean = 5")
    release.build(V1)
    sql("update catalog.label set arousal_mean = 6 where clip_id = %s", clip_ids[0])
    release.build(V2)
    sql("update catalog.label set arousal_mean = 5 where clip_id = %s", clip_ids[0])
    release.build(V3)
    assert n_made(V3, caplog) == 0
    assert release.diff(V1, V3)["counts"] == {"added": 0, "changed": 0, "removed": 0}
    assert release.diff(V2, V3)["changed"] == {clip_ids[0]: ["arousal_mean"]}


# Never believed for rows that it was not made from


def titles(version: str) -> dict[str, str]:
    found = sql("select clip_id, sample ->> 'title' as title from catalog.released_clip where version = %s", version)
    return {row["clip_id"]: row["title"] for row in found}


@pytest.mark.parametrize("column", ["label_xmin", "clip_xmin", "source_xmin"])
def test_a_stamp_of_another_row_version_is_not_believed(clip_ids: list[str], column: str) -> None:
    release.build(V1)
    sql("update catalog.source set title = 'The truth'")
    sql("delete from catalog.sample_stamp where clip_id <> %s", clip_ids[0])
    current = """
        update catalog.sample_stamp
        set label_xmin = label.xmin, clip_xmin = clip.xmin, source_xmin = source.xmin
        from catalog.label, catalog.clip, catalog.source
        where
            label.clip_id = sample_stamp.clip_id
            and clip.clip_id = label.clip_id
            and source.source_id = clip.source_id
    """
    sql(current)
    assert release.freeze(V2)["is_changed"]
    assert titles(V2)[clip_ids[0]] == "A talk"  # what a stamp with the very versions vouches for is taken over
    sql(current)
    sql(f"update catalog.sample_stamp set {column} = '3'")  # noqa: S608  one of three names above
    release.freeze(V2)
    assert titles(V2)[clip_ids[0]] == "The truth"


def test_in_a_database_that_was_restored_no_stamp_is_believed(
    clip_ids: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Where numbers of row versions were given anew, and may be those of other versions."""
    caplog.set_level("INFO")
    release.build(V1)
    whole = {path: content for path, content in files(V1).items() if not path.endswith("manifest.json")}
    url = settings.current().catalog_url or ""
    name, other = url.split("/")[3].split("?")[0], f"test_{uuid4().hex}"
    with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"create database {other} template {name}")  # names made by tests
    settings.configure(**{**settings.current().model_dump(), "catalog_url": url.replace(name, other)})
    with catalog.connect() as connection:
        form = frozen_rows.sample_form(connection)
    assert {row["form"] for row in stamps().values()}.isdisjoint({form})
    before = {clip_id: row["form"] for clip_id, row in stamps().items()}
    assert release.freeze(V2)["is_changed"] is False
    assert {clip_id for clip_id, row in stamps().items() if row["form"] != before[clip_id]} == set(clip_ids)
    assert whole.keys() <= files(V1).keys()


def test_another_statement_or_migration_makes_all_anew(clip_ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    release.build(V1)
    before = {row["form"] for row in stamps().values()}
    sql("insert into catalog.migration (name) values ('9999_more')")
    release.freeze(V2)
    migrated = {row["form"] for row in stamps().values()}
    text = catalog.statement("freeze_release_clips")
    others = {"freeze_release_clips": text.replace("catalog.without_address(known.title)", "'Anon'")}
    real = catalog.statement
    monkeypatch.setattr(catalog, "statement", lambda name: others.get(name) or real(name))
    assert release.freeze(V2)["is_changed"]
    assert set(titles(V2).values()) == {"Anon"}
    rewritten = {row["form"] for row in stamps().values()}
    assert len(before | migrated | rewritten) == 3


def test_a_sample_that_was_deleted_is_made_again(clip_ids: list[str]) -> None:
    release.build(V1)
    before = files(V1)
    sql("delete from catalog.sample where clip_id = %s", clip_ids[0])
    assert clip_ids[0] not in stamps()
    assert release.freeze(V2)["is_changed"] is False
    assert clip_ids[0] in stamps()
    assert files(V1) == before


# As if from scratch


def change_at_random(rng: random.Random, clip_ids: list[str]) -> None:
    """One change of a label, a clip, a source, of who is heard how, or of which clips there are."""
    clip_id = rng.choice(clip_ids)
    source_of = "(select source_id from catalog.clip where clip_id = %s)"
    match rng.randrange(10):
        case 0:
            sql("update catalog.label set arousal_mean = %s where clip_id = %s", rng.randrange(10), clip_id)
        case 1:
            said = rng.choice(["Hello", "mail a@b.org", None])
            sql("update catalog.label set transcription = %s where clip_id = %s", said, clip_id)
        case 2:
            sql("update catalog.label set is_held = not is_held where clip_id = %s", clip_id)
        case 3:
            measure = json.dumps({"snr_db": rng.randrange(9)})
            sql("update catalog.clip set measures = measures || %s::jsonb where clip_id = %s", measure, clip_id)
        case 4:
            sql(f"update catalog.source set title = %s where source_id = {source_of}",  # noqa: S608  text above
                rng.choice(["One", "Two", "x@y.de"]), clip_id)  # fmt: skip
        case 5:
            sql(f"update catalog.source set licence = %s where source_id = {source_of}",  # noqa: S608  text above
                rng.choice(["CC-BY-4.0", "CC BY-NC-ND 4.0"]), clip_id)  # fmt: skip
        case 6:
            gender = rng.choice(GENDERS)
            sql("update catalog.label set perceived_gender = %s where clip_id = %s", gender, clip_id)
        case 7:
            sql("update catalog.label set perceived_accent = %s", rng.choice(["irish", "german", None]))
        case 8:
            merge([annotation(clip_id, "rater-0", arousal=rng.randrange(10), gender="male")])
        case 9:
            labels.renew_all()


@contextmanager
def from_scratch(path: Path) -> Iterator[None]:
    """A store with the same audio and nothing else, and a catalog that knows of no release and no sample."""
    before = settings.current()
    url = before.catalog_url or ""
    name, other = url.split("/")[3].split("?")[0], f"test_{uuid4().hex}"
    with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"create database {other} template {name}")  # names made by tests
    shutil.copytree(Path(before.store_root.removeprefix("file://")) / "audio", path / "audio")
    settings.configure(**{**before.model_dump(), "catalog_url": url.replace(name, other), "store_url": path.as_uri()})
    sql("delete from catalog.sample")
    assert stamps() == {}
    sql("delete from catalog.release")
    yield
    settings.configure(**before.model_dump())


@pytest.mark.parametrize("seed", range(4))
def test_nights_of_random_changes_end_as_a_freeze_from_scratch_does(
    clip_ids: list[str], seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    last = release.build(V1)["version"]
    for night in range(5):
        for _ in range(rng.randrange(1, 5)):
            change_at_random(rng, clip_ids)
        built = release.build(f"2026.01.0{night + 2}", is_compact=True)
        last = built["version"]
    kept = files(last)
    with from_scratch(tmp_path / "scratch"):
        release.build(last)
        fresh = files(last)
    # What hangs on the releases before stands in these alone.
    history = ("manifest.json", "changes.json", "removed.jsonl", "SHA256SUMS")
    assert kept.keys() == fresh.keys()
    assert [p for p in kept if kept[p] != fresh[p] and not p.endswith(history)] == []


# Disturbed


def test_what_changes_while_a_freeze_runs_is_in_the_next_one(clip_ids: list[str]) -> None:
    """The freeze waits for the merge of another; what a third one writes meanwhile, it sees whole or not at all."""
    release.build(V1)
    url = catalog.url()
    with psycopg.connect(url) as merging, psycopg.connect(url) as harvesting:
        merging.execute("select pg_advisory_xact_lock(hashtext('open_empathic_merge'))")
        merging.execute("update catalog.label set arousal_mean = 8 where clip_id = %s", [clip_ids[0]])
        harvesting.execute("update catalog.source set title = 'Later'")
        freezing = Thread(target=release.freeze, args=[V2])
        freezing.start()
        freezing.join(0.5)
        assert freezing.is_alive()
        merging.commit()
        freezing.join(20)
        assert not freezing.is_alive()
        harvesting.commit()
    assert set(titles(V2).values()) == {"A talk"}
    (row,) = sql("select sample from catalog.released_clip where version = %s and clip_id = %s", V2, clip_ids[0])
    assert row["sample"]["arousal_mean"] == 8
    release.freeze(V3)
    assert set(titles(V3).values()) == {"Later"}


def test_a_freeze_that_is_killed_leaves_no_sample_and_no_stamp(
    clip_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    release.build(V1)
    before = stamps(), sql("select clip_id, sample_sha256 from catalog.sample order by 1, 2")
    sql("update catalog.label set arousal_mean = 8")
    real = catalog.row

    def killed(connection: Any, name: str, /, **given: object) -> Any:
        if name == "sum_release":
            connection.execute("select pg_terminate_backend(pg_backend_pid())")
        return real(connection, name, **given)

    with monkeypatch.context() as patch:
        patch.setattr(catalog, "row", killed)
        with pytest.raises(psycopg.OperationalError):
            release.freeze(V2)
    assert (stamps(), sql("select clip_id, sample_sha256 from catalog.sample order by 1, 2")) == before
    release.build(V2)
    assert release.diff(V1, V2)["counts"] == {"added": 0, "changed": 8, "removed": 0}


# Beside it


def test_changes_are_written_as_they_are_told(clip_ids: list[str]) -> None:
    release.build(V1)
    empty = {"parent": None, "counts": {"added": 8, "changed": 0, "removed": 0}, "added": sorted(clip_ids),
             "changed": {}, "removed": []}  # fmt: skip
    assert store.read_bytes(f"releases/{V1}/changes.json") == json.dumps(empty, indent=1).encode()
    sql("update catalog.label set arousal_mean = 8, valence_mean = 1 where clip_id in (%s, %s)", *clip_ids[:2])
    sql("update catalog.clip set state = 'blocked', reason = 'taken down' where clip_id in (%s, %s)", *clip_ids[2:4])
    release.build(V2)
    told = tables.changes(V2, V1)
    assert told["counts"] == {"added": 0, "changed": 2, "removed": 2}
    assert store.read_bytes(f"releases/{V2}/changes.json") == json.dumps(told, indent=1).encode()


def test_a_release_that_goes_takes_its_rows_along(clip_ids: list[str]) -> None:
    release.build(V1)
    sql("delete from catalog.release where version = %s", V1)
    assert sql("select 1 from catalog.release_clip") == []
    assert len(sql("select 1 from catalog.sample")) == len(clip_ids)


def test_samples_of_earlier_catalogs_are_moved(postgres: str, tmp_path: Path) -> None:
    """Releases of a catalog that kept each release's samples: one that changed, links, a compressed one."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.replace("/template?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"create database {name}")  # the name is made one line above
    settings.configure(run=tmp_path / "run", catalog_url=postgres.replace("/template?", f"/{name}?"))
    schema = sorted((catalog.SQL / "schema").glob("*.sql"))
    for path in [path for path in schema if path.stem < "0014"]:
        sql("create schema if not exists catalog")
        sql(
            "create table if not exists catalog.migration (name text primary key, applied_at timestamptz default now())"
        )
        with catalog.connect() as connection:
            connection.execute(path.read_text(encoding="utf-8"))
        sql("insert into catalog.migration (name) values (%s)", path.stem)
    sql("insert into catalog.release (version, vocabulary_version, state) values (%s, 'v', 'published')", V1)
    sql("insert into catalog.release (version, vocabulary_version, state, parent) values (%s, 'v', 'published', %s)",
        V2, V1)  # fmt: skip
    long = {"transcription": "word " * 2000}
    for version, changed in ((V1, "before"), (V2, "after")):
        for clip_id, said in (("same", {"n": 1}), ("long", long), ("changed", {"n": changed})):
            sql(
                "insert into catalog.release_clip (version, clip_id, split, shard, position, audio_sha256, sample,"
                " sample_sha256) values (%s, %s, 'train', 0, 0, 'x', %s, encode(sha256(%s), 'hex'))",
                *(version, clip_id, json.dumps(said), json.dumps(said).encode()),
            )
        sql("insert into catalog.release_link values (%s, 'link', '{\"n\": 2}', 'h')", version)
    assert [name for name in catalog.migrate() if name >= "0014"]
    found = sql("select version, clip_id, sample from catalog.released_clip order by version, clip_id")
    assert [(row["version"], row["clip_id"], row["sample"]) for row in found] == [
        (V1, "changed", {"n": "before"}), (V1, "long", long), (V1, "same", {"n": 1}),
        (V2, "changed", {"n": "after"}), (V2, "long", long), (V2, "same", {"n": 1}),
    ]  # fmt: skip
    assert sql("select clip_id, sample from catalog.released_link where version = %s", V2) == [
        {"clip_id": "link", "sample": {"n": 2}}
    ]
    assert len(sql("select 1 from catalog.sample")) == 5
    assert tables.changes(V2, V1)["changed"] == {"changed": ["n"]}
    sql("delete from catalog.release where version = %s", V2)
    assert {row["version"] for row in sql("select version from catalog.release_clip")} == {V1}


# Their fields, taken out once


def said(version: str) -> dict[str, dict[str, Any]]:
    table = pq.read_table(io.BytesIO(store.read_bytes(f"releases/{version}/clips.parquet"))).to_pylist()
    return {row["clip_id"]: row for row in table}


def n_taken(version: str) -> int:
    with catalog.connect() as connection:
        return sample_rows.take(connection, version)


def test_fields_are_taken_of_new_samples_alone(clip_ids: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    release.build(V1)
    sql("update catalog.label set arousal_mean = 9 where clip_id = %s", clip_ids[3])
    release.build(V2)
    assert [m for m in caplog.messages if "fields of" in m] == [
        f"release {V1}: fields of {len(clip_ids)} samples taken", f"release {V2}: fields of 1 samples taken"
    ]  # fmt: skip
    assert n_taken(V2) == 0
    assert (said(V1)[clip_ids[3]]["arousal_mean"], said(V2)[clip_ids[3]]["arousal_mean"]) == (5, 9)


def test_fields_go_with_their_sample_and_are_taken_anew(clip_ids: list[str]) -> None:
    release.build(V1)
    sql("update catalog.sample set sample = sample || '{\"n_raters\": 8}' where clip_id = %s", clip_ids[0])
    sql("delete from catalog.sample where clip_id = %s", clip_ids[1])
    kept = sql("select clip_id from catalog.sample_row order by clip_id")
    assert [row["clip_id"] for row in kept] == sorted(clip_ids[2:])
    assert n_taken(V1) == 1
    assert sql("select n_raters from catalog.sample_row where clip_id = %s", clip_ids[0]) == [{"n_raters": 8}]


def test_fields_that_another_statement_took_are_taken_anew(
    clip_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    release.build(V1)
    wrong = catalog.statement("insert_sample_rows").replace("    said.licence,", "    'another',")
    monkeypatch.setattr(catalog, "statement", {"insert_sample_rows": wrong}.__getitem__)
    assert n_taken(V1) == len(clip_ids)
    assert {row["licence"] for row in sql("select licence from catalog.sample_row")} == {"another"}
    monkeypatch.undo()
    assert n_taken(V1) == len(clip_ids)
    assert {row["licence"] for row in sql("select licence from catalog.sample_row")} == {"CC-BY-4.0"}


@pytest.mark.parametrize(
    "title",
    [
        'a "quoted" one',
        "back\\slash \\n \\",
        "(in, brackets),",
        "two\nlines\r\nand a\ttab",
        "",
        " ",
        "Ça va, 你好",
        None,
    ],
)
def test_every_field_comes_into_the_table_as_the_sample_has_it(clip_ids: list[str], title: str | None) -> None:
    sql("update catalog.label set transcription = %s, word_votes = %s", title, json.dumps({title or "": 2}))
    release.build(V1)
    table = said(V1)
    for clip_id, sample in ((row["clip_id"], row["sample"]) for row in sql("select * from catalog.released_clip")):
        assert sample["transcription"] == title
        for name in set(sample) & set(table[clip_id]):
            found = table[clip_id][name]
            assert (dict(found) if isinstance(sample[name], dict) else found) == sample[name], name
