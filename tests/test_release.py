import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import httpx
import pyarrow.parquet as pq
import pytest
import soundfile
import webdataset
from moto.server import ThreadedMotoServer

from include import catalog, checks, labels, release, settings, shards, store
from tests.conftest import agreed, annotation, believe, merge, ready_clip, sql

V1, V2, V3 = "2026.01.01", "2026.01.02", "2026.01.02.1"
Files = dict[str, bytes]


@pytest.fixture
def clip_ids(pipeline: settings.Settings) -> list[str]:
    """Ids of nine releasable clips of three speakers, in a pipeline of two samples a shard."""
    settings.configure(**{**pipeline.model_dump(), "shard_samples": 2})
    clips = [ready_clip(f"abcdefghij{n}", start, channel=f"Channel {n}") for n in range(3) for start in (0, 2000, 900)]
    agreed(clips, emotions=["happy", "worried"], gender="female", transcription="Guten Morgen — ça va?")
    return clips


def files(folder: str = "releases") -> Files:
    return {path: store.read_bytes(path) for path in store.paths_below(folder)}


def fresh_store(path: Path) -> None:
    """A store that holds the audio and nothing else; the catalog knows of no release."""
    current = settings.current()
    shutil.copytree(Path(current.store_root.removeprefix("file://")) / "audio", path / "audio")
    settings.configure(**{**current.model_dump(), "store_url": path.as_uri()})
    sql("delete from catalog.release")


def parquet(version: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(
        store.url(f"releases/{version}/{name}").removeprefix("file://")
    ).to_pylist()
    return rows


# Building


def test_the_same_catalog_and_version_give_the_same_bytes(clip_ids: list[str], tmp_path: Path) -> None:
    sql("update catalog.annotator set weight = weight / 3")
    labels.renew_all()
    release.build(V1)
    first = files()
    assert {path.rpartition(".")[2] for path in first} >= {"tar", "parquet", "json", "jsonl", "md"}
    fresh_store(tmp_path / "again")
    release.build(V1)
    again = files()
    assert again.keys() == first.keys()
    assert [path for path in first if first[path] != again[path]] == []


def test_training_code_streams_what_was_released(clip_ids: list[str], quick: None) -> None:
    frozen = release.build(V1)
    assert frozen == {"version": V1, "parent": None, "n_clips": 9, "duration_s": 4.5, "is_changed": True}
    manifest = release.read_manifest(V1)
    listed = [shard for split in manifest["splits"].values() for shard in split["shards"]]
    root = store.url(f"releases/{V1}").removeprefix("file://")
    dataset = webdataset.WebDataset([f"{root}/{shard['path']}" for shard in listed], shardshuffle=False).decode()
    samples = {sample["__key__"]: sample for sample in dataset}
    assert sorted(samples) == sorted(clip_ids)
    for clip_id, sample in samples.items():
        said = sample["json"]
        assert hashlib.sha256(sample["flac"]).hexdigest() == said["audio_sha256"]
        assert (said["clip_id"], said["perceived_gender"], said["n_raters"]) == (clip_id, None, 3)
        assert said["emotion_soft"] == {"fearful_and_anxious": 0.5, "happy_and_energetic": 0.5}
        assert said["transcription"] == "Guten Morgen — ça va?"
        assert "rater-" not in json.dumps(said)
    assert max(shard["n_samples"] for shard in listed) == 2
    assert sum(shard["n_samples"] for shard in listed) == 9


def test_the_clip_table_says_where_to_read_each_clip(clip_ids: list[str], quick: None) -> None:
    release.build(V1)
    table = parquet(V1, "clips.parquet")
    assert [row["clip_id"] for row in table] == sorted(clip_ids)
    for row in table:
        content = store.read_bytes(f"releases/{V1}/{row['shard_path']}")
        flac = content[row["flac_offset_bytes"] :][: row["flac_bytes"]]
        assert hashlib.sha256(flac).hexdigest() == row["audio_sha256"]
        pcm, rate_hz = soundfile.read(io.BytesIO(flac))
        assert (len(pcm) / rate_hz, rate_hz) == (row["duration_s"], row["sample_rate_hz"])
        said = json.loads(content[row["json_offset_bytes"] :][: row["json_bytes"]])
        assert {**row, **{name: dict(row[name]) for name in labels.VOTE_COLUMNS}}.items() >= {
            name: value for name, value in said.items() if name in row
        }.items()
        assert row["shard_path"].startswith(said["split"])


def test_lengths_add_up_exactly(pipeline: settings.Settings, quick: None) -> None:
    # As floats, in this order, they come to 0.6000000000000001; in another they don't.
    agreed([ready_clip("abcdefghijk", n * 1000, duration_s=n / 10) for n in (1, 2, 3)])
    assert release.build(V1)["duration_s"] == 0.6
    assert [split["duration_s"] for split in release.read_manifest(V1)["splits"].values()] == [0.6]


def test_votes_are_published_under_pseudonyms(clip_ids: list[str], quick: None) -> None:
    merge([annotation(clip_ids[0], "rater-0", arousal=9), annotation(clip_ids[0], "rater-1", retracted=True)])
    merge([annotation(clip_ids[0], f"late-{n}") for n in range(2)])
    believe("late-1", state="blocked")
    labels.renew_all()
    release.build(V1)
    votes = parquet(V1, "votes.parquet")
    assert len(votes) == 3 * 8 + 3
    assert sorted(vote["arousal"] for vote in votes if vote["clip_id"] == clip_ids[0]) == [5, 5, 9]
    assert len({vote["annotator"] for vote in votes}) == 4
    assert b"rater-" not in store.read_bytes(f"releases/{V1}/votes.parquet")
    assert sum(row["n_raters"] for row in parquet(V1, "clips.parquet")) == len(votes)


def test_what_comes_after_the_freeze_does_not_leak_in(clip_ids: list[str], quick: None) -> None:
    release.freeze(V1)
    merge([annotation(clip_ids[0], "late", arousal=10)])
    checks.check_release(V1)
    for batch in release.plan_shards(V1):
        release.build_shards(V1, batch)
    release.write_tables_and_card(V1)
    release.write_manifest(V1)
    assert {row["arousal_mean"] for row in parquet(V1, "clips.parquet")} == {5.0}
    assert {vote["arousal"] for vote in parquet(V1, "votes.parquet")} == {5}


def test_clips_without_enough_votes_or_held_or_not_ready_stay_out(clip_ids: list[str], quick: None) -> None:
    merge([annotation(clip_ids[0], "rater-0", retracted=True), annotation(clip_ids[1], "x", reports=["hate_speech"])])
    sql("update catalog.clip set state = 'gone', reason = 'gone' where clip_id = %s", clip_ids[2])
    release.build(V1)
    assert [row["clip_id"] for row in parquet(V1, "clips.parquet")] == sorted(clip_ids[3:])


def test_a_failed_check_publishes_nothing(clip_ids: list[str], has_plain_card: None) -> None:
    release.build(V1)
    before = files()
    sql("update catalog.clip set sample_rate_hz = 8000 where clip_id = %s", clip_ids[0])
    with pytest.raises(checks.CheckFailed, match="sample_rate_hz"):
        release.build(V2)
    after = files()
    assert after.pop(f"releases/claims/{V2}")
    left = {path for path in after if path.startswith(f"releases/{V2}/")}
    assert {f"releases/{V2}/checks/results.json", f"releases/{V2}/checks/index.html"} <= left
    # Shards are written while the checks go on; without a manifest there is no release.
    assert all(path.endswith(".tar") or path.startswith(f"releases/{V2}/checks/") for path in left)
    assert {path: content for path, content in after.items() if path not in left} == before
    assert release.latest_version() == V1
    with pytest.raises(release.ReleaseError, match="there is no release"):
        release.read_manifest(V2)


def test_what_was_begun_and_given_up_is_swept_by_the_next_version(clip_ids: list[str], quick: None) -> None:
    release.build(V1)
    merge([annotation(clip_ids[0], "rater-0", arousal=9)])
    release.freeze(V2)
    for batch in release.plan_shards(V2):
        release.build_shards(V2, batch)
    store.write_bytes("releases/claims/2026.01.01.1", b"of another catalog")
    store.write_bytes("releases/2026.01.01.1/train/000000.tar", b"of another catalog")
    assert list(release.published_versions()) == [V1]
    release.build(V3)
    assert {path.split("/")[1] for path in files()} == {V1, V3, "2026.01.01.1", "claims", "latest.json"}
    assert files("releases/claims") == {"releases/claims/2026.01.01.1": b"of another catalog"}
    assert [row["version"] for row in sql("select version from catalog.release order by version")] == [V1, V3]


def test_nothing_can_not_be_released(clip_ids: list[str], has_plain_card: None) -> None:
    release.build(V1)
    sql("update catalog.clip set state = 'gone', reason = 'gone'")
    with pytest.raises(checks.CheckFailed, match="row_count"):
        release.build(V2)
    assert list(release.published_versions()) == [V1]


def test_an_unchanged_catalog_gives_no_new_release(clip_ids: list[str], quick: None) -> None:
    release.build(V1)
    before = files()
    frozen = release.build(V2)
    assert (frozen["version"], frozen["is_changed"]) == (V1, False)
    assert files() == before
    assert [row["version"] for row in sql("select version from catalog.release")] == [V1]


def test_a_published_version_stays_as_it_is(clip_ids: list[str], quick: None) -> None:
    release.build(V1)
    before = files()
    merge([annotation(clip_ids[0], "rater-0", arousal=10)])
    assert release.build(V1)["is_changed"] is False
    assert files() == before


def test_a_step_run_again_on_a_published_version_changes_nothing(clip_ids: list[str], has_plain_card: None) -> None:
    release.build(V1)
    sql("update catalog.clip set state = 'gone', reason = 'gone' where clip_id = %s", clip_ids[0])
    merge([annotation(clip_ids[1], "rater-0", retracted=True)])
    release.build(V2)
    before = files()
    sql("update catalog.clip set reason = 'gone for another reason' where clip_id = %s", clip_ids[0])
    with pytest.raises(checks.CheckFailed):
        checks.check_release(V1)
    for batch in release.plan_shards(V2):
        release.build_shards(V2, batch)
    release.write_tables_and_card(V2)
    figures = release.write_manifest(V2)
    assert figures == release.promote(V2)
    assert files() == before


def test_a_version_that_is_not_frozen_gets_no_manifest(pipeline: settings.Settings) -> None:
    for write in (release.write_tables_and_card, release.write_manifest):
        with pytest.raises(release.ReleaseError, match=f"release {V1} is not frozen"):
            write(V1)
    assert files() == {}


# Killed and run again


class Killed(BaseException):
    """As the kernel does it: nobody catches it."""


@contextmanager
def killed_at_write(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Die when the store is written to for the `number`-th time; the paths written so far."""
    written: list[str] = []
    open_atomic = store.open_atomic

    @contextmanager
    def dying(path: str) -> Iterator[IO[bytes]]:
        with open_atomic(path) as stream:
            yield stream
            written.append(path)
            if len(written) == number:
                raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(store, "open_atomic", dying)
        yield written


def test_a_build_killed_at_any_write_is_resumed_to_the_same_bytes(
    clip_ids: list[str], quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.build(V1)
    merge([annotation(clip_ids[0], "rater-0", arousal=9)])
    with killed_at_write(0, monkeypatch) as written:
        release.build(V2)
    whole = files()
    published = {"version": V2, "state": "published"}
    assert written[-2:] == [f"releases/{V2}/manifest.json", release.LATEST]
    for number in range(1, len(written) + 1):
        sql("delete from catalog.release where version = %s", V2)
        for path in files(f"releases/{V2}"):
            store.delete(path)
        release.promote(V1)
        with killed_at_write(number, monkeypatch), pytest.raises(Killed):
            release.build(V2)
        assert release.latest_version() == V1
        assert store.exists(f"releases/{V2}/manifest.json") == (number == len(written))
        release.build(V2)
        assert files() == whole, f"killed at {written[number - 1]}"
        assert sql("select version, state from catalog.release where version = %s", V2) == [published]


def test_a_build_killed_in_promotion_is_finished_by_the_next(
    clip_ids: list[str], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = catalog.run

    def dying(connection: Any, name: str, /, **parameters: object) -> int:
        if name == "publish_release":
            raise Killed
        return run(connection, name, **parameters)

    with monkeypatch.context() as patched:
        patched.setattr(catalog, "run", dying)
        with pytest.raises(Killed):
            release.build()
    before = {path: content for path, content in files().items() if not path.startswith("releases/claims/")}
    assert release.build()["is_changed"] is True
    assert files() == before
    assert sql("select state from catalog.release") == [{"state": "published"}]
    assert release.build()["is_changed"] is False


def test_what_an_earlier_try_left_is_swept(clip_ids: list[str], quick: None) -> None:
    store.write_bytes(f"releases/{V1}/train/000099.tar", b"stray")
    store.write_bytes(f"releases/{V1}/notes.txt", b"stray")
    release.build(V1)
    assert not {f"releases/{V1}/train/000099.tar", f"releases/{V1}/notes.txt"} & files().keys()
    release.verify(V1)


def test_a_shard_that_was_not_built_stops_the_release(clip_ids: list[str], quick: None) -> None:
    release.freeze(V1)
    (batch,) = release.plan_shards(V1, 100)
    release.build_shards(V1, batch[1:])
    with pytest.raises(shards.Damaged, match=r"000000\.tar: not built"):
        release.verify_built(V1)


def test_a_shard_damaged_before_the_manifest_stops_the_release(clip_ids: list[str], quick: None) -> None:
    release.freeze(V1)
    (batch,) = release.plan_shards(V1, 100)
    release.build_shards(V1, batch)
    assert release.verify_built(V1) == {"shards": len(batch), "samples": 9, "reused": 0}
    path = next(path for path in store.paths_below(f"releases/{V1}") if path.endswith(".tar"))
    store.write_bytes(path, store.read_bytes(path)[:-512])
    with pytest.raises(shards.Damaged, match="its SHA-256 is"):
        release.verify_built(V1)


# Versions


def test_a_second_release_says_what_changed_and_what_is_gone(clip_ids: list[str], quick: None) -> None:
    release.build(V1)
    added = ready_clip("bcdefghijkl")
    agreed([added])
    merge([annotation(clip_ids[1], "rater-0", arousal=8), annotation(clip_ids[2], "rater-0", retracted=True)])
    merge([annotation(clip_ids[3], "x", reports=["sexual"])])
    sql("update catalog.clip set state = 'blocked', reason = 'taken down' where clip_id = %s", clip_ids[0])
    assert release.build(V2)["parent"] == V1
    changes = json.loads(store.read_bytes(f"releases/{V2}/changes.json"))
    assert changes["parent"] == V1
    assert changes["counts"] == {"added": 1, "changed": 1, "removed": 3}
    assert changes["added"] == [added]
    assert {"arousal_mean", "arousal_std"} <= set(changes["changed"][clip_ids[1]])
    assert changes["removed"] == sorted([clip_ids[0], clip_ids[2], clip_ids[3]])
    removed = [json.loads(line) for line in store.read_bytes(f"releases/{V2}/removed.jsonl").splitlines()]
    assert {row["clip_id"]: row["reason"] for row in removed} == {
        clip_ids[0]: "taken down",
        clip_ids[2]: "fewer annotators than a release asks for",
        clip_ids[3]: "held: reported by annotators",
    }
    assert release.diff(V1, V2) == changes
    back = release.diff(V2, V1)
    assert (back["added"], back["removed"]) == (changes["removed"], changes["added"])


def test_what_was_removed_long_ago_stays_listed(clip_ids: list[str], quick: None) -> None:
    release.build("2026.01.02.9")
    merge([annotation(clip_ids[1], "rater-0", arousal=8)])
    release.build("2026.01.02.10")
    sql("update catalog.clip set state = 'gone', reason = 'gone for good' where clip_id = %s", clip_ids[0])
    release.build("2026.01.03")
    merge([annotation(clip_ids[1], "rater-0", arousal=9)])
    release.build("2026.01.04")
    (removed,) = store.read_bytes("releases/2026.01.04/removed.jsonl").splitlines()
    expected = {"clip_id": clip_ids[0], "last_version": "2026.01.02.10", "reason": "gone for good"}
    assert json.loads(removed) == expected
    assert json.loads(store.read_bytes("releases/2026.01.04/changes.json"))["removed"] == []


def removals() -> list[dict[str, Any]]:
    return sql("select * from catalog.release_removal order by version, clip_id")


def test_what_a_release_of_an_older_version_had_is_listed_when_it_is_gone(clip_ids: list[str], quick: None) -> None:
    sql("update catalog.clip set state = 'gone', reason = 'late' where clip_id = %s", clip_ids[0])
    release.build("2026.01.01")
    sql("update catalog.clip set state = 'gone', reason = 'gone' where clip_id = %s", clip_ids[1])
    release.build("2026.01.05")
    sql("update catalog.clip set state = 'ready', reason = null where clip_id = %s", clip_ids[0])
    release.build("2026.01.03")
    sql("update catalog.clip set state = 'gone', reason = 'late' where clip_id = %s", clip_ids[0])
    sql("update catalog.clip set state = 'gone', reason = 'gone' where clip_id = %s", clip_ids[2])
    release.build("2026.01.06")
    removed = [json.loads(line) for line in store.read_bytes("releases/2026.01.06/removed.jsonl").splitlines()]
    assert {(row["clip_id"], row["last_version"]) for row in removed} == {
        (clip_ids[0], "2026.01.03"),
        (clip_ids[1], "2026.01.01"),
        (clip_ids[2], "2026.01.05"),
    }


def test_removals_of_releases_from_before_they_were_noted(clip_ids: list[str], quick: None) -> None:
    for day, clip_id in enumerate(clip_ids[:3], 1):
        release.build(f"2026.01.{day:02}")
        sql("update catalog.clip set state = 'gone', reason = 'gone' where clip_id = %s", clip_id)
    release.build("2026.01.10")
    noted = removals()
    assert len(noted) == 0 + 1 + 2 + 3
    sql("drop table catalog.release_removal")
    sql("delete from catalog.migration where name = '0020_removed_clips'")
    assert catalog.migrate() == ["0020_removed_clips"]
    assert removals() == noted


def split_of(speaker_group: str) -> str:
    bucket = int(hashlib.sha256(speaker_group.encode()).hexdigest()[:8], 16) % 100
    return "train" if bucket < 90 else "validation" if bucket < 95 else "test"


def test_a_speaker_group_keeps_its_split_and_is_never_divided(pipeline: settings.Settings, quick: None) -> None:
    names = [f"Speaker {n}" for n in range(200)]
    groups = [
        name for split in ("train", "validation", "test") for name in [n for n in names if split_of(n) == split][:2]
    ]
    agreed([ready_clip(f"{n:011}", channel=groups[n // 2]) for n in range(12)])
    release.build(V1)
    agreed([ready_clip(f"{n:011}", 7000, channel=groups[n // 2]) for n in range(12)])
    release.build(V2)
    found = {(row["speaker_group"], row["split"]) for v in (V1, V2) for row in parquet(v, "clips.parquet")}
    assert found == {(group, split_of(group)) for group in groups}
    assert release.read_manifest(V2)["splits"].keys() == {"train", "validation", "test"}


@pytest.mark.parametrize(
    "version",
    ["", "1", "2026.1.1", "2026.13.01", "2026.01.32", "2026.00.10", "2026.01.01.0", "2026.01.01.01", "2026.01.01.1.1",
     "2026.01.01.12345", "../2026.01.01", "2026.01.01/..", "latest.json", "２０２６.01.01", "2026.01.01\n"],
)  # fmt: skip
def test_what_is_no_version_is_refused(pipeline: settings.Settings, version: str) -> None:
    for use in (release.folder, release.promote, release.read_manifest):
        with pytest.raises(release.ReleaseError, match="is no version"):
            use(version)
    if version:
        with pytest.raises(release.ReleaseError, match="is no version"):
            release.freeze(version)
    assert sql("select * from catalog.release") == []


def test_versions_of_a_day_are_numbered(clip_ids: list[str], quick: None) -> None:
    today = datetime.now(UTC).strftime("%Y.%m.%d")
    assert release.next_version() == today
    assert release.build()["version"] == today
    assert release.next_version() == f"{today}.1"
    for number in (2, 10):
        store.write_bytes(f"releases/{today}.{number}/manifest.json", b"{}")
    assert release.next_version() == f"{today}.11"
    assert list(release.published_versions()) == [f"{today}.10", f"{today}.2", today]


def test_an_earlier_version_is_promoted_back(clip_ids: list[str], quick: None) -> None:
    assert release.latest_version() is None
    release.build(V1)
    merge([annotation(clip_ids[1], "rater-0", arousal=8)])
    release.build(V2)
    assert release.latest_version() == V2
    assert release.promote(V1)["version"] == V1
    pointer = json.loads(store.read_bytes(release.LATEST))
    manifest = store.read_bytes(f"releases/{pointer['manifest']}")
    assert (pointer["version"], pointer["manifest_sha256"]) == (V1, hashlib.sha256(manifest).hexdigest())
    merge([annotation(clip_ids[1], "rater-0", arousal=9)])
    assert release.build(V3)["parent"] == V2


def test_what_is_not_there_is_neither_promoted_nor_compared(clip_ids: list[str], quick: None) -> None:
    release.build(V1)
    with pytest.raises(release.ReleaseError, match=f"there is no release {V2} in file://"):
        release.promote(V2)
    with pytest.raises(release.ReleaseError, match=f"there is no release {V2} in the catalog"):
        release.diff(V1, V2)
    assert release.latest_version() == V1


# Verifying


def test_a_release_and_its_copies_are_verified(clip_ids: list[str], quick: None, tmp_path: Path) -> None:
    release.build(V1)
    copy = tmp_path / "copy of it"
    shutil.copytree(tmp_path / "store/releases" / V1, copy)
    counts = release.verify(V1)
    assert (counts["samples"], counts["files"]) == (9, 11)
    settings.configure(catalog_url="postgresql://nowhere.invalid/x")
    for address in (str(copy), f"{copy}/", f"file://{copy}"):
        assert release.verify(address) == counts


def test_all_that_is_wrong_with_a_copy_is_named(clip_ids: list[str], quick: None, tmp_path: Path) -> None:
    release.build(V1)
    root = tmp_path / "store/releases" / V1
    tars = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.tar"))
    (root / "README.md").unlink()
    (root / "votes.parquet").write_bytes(b"")
    (root / "train/000099.tar").write_bytes(b"extra")
    (root / tars[0]).unlink()
    content = bytearray((root / tars[1]).read_bytes())
    content[600] ^= 1
    (root / tars[1]).write_bytes(content)
    with pytest.raises(shards.Damaged) as caught:
        release.verify(str(root))
    assert [line.split(" is ")[0] for line in str(caught.value).splitlines()] == [
        "train/000099.tar: not in the manifest",
        "README.md: missing",
        "votes.parquet: its SHA-256",
        f"{tars[0]}: missing",
        f"{tars[1]}: its SHA-256",
    ]


def test_a_folder_without_a_manifest_is_no_release(pipeline: settings.Settings, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"splits": {"train": {"shards": [{"path": "a"}]}}, "files": []}')
    for address, reason in [
        (str(tmp_path / "nowhere"), "no manifest.json"), (__file__, "no manifest.json"), (V1, "no manifest.json"),
        (str(tmp_path), "is no manifest"), ("gopher://x/y", "can't be read"),
    ]:  # fmt: skip
        with pytest.raises(release.ReleaseError, match=reason):
            release.verify(address)


def test_a_release_on_s3_is_built_and_verified(
    clip_ids: list[str], quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.build(V1)
    on_disk = files()
    audio = files("audio")
    sql("delete from catalog.release")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        given = {**settings.current().model_dump(), "store_url": "s3://empathic/data", "s3_endpoint_url": endpoint}
        settings.configure(**given)
        httpx.post(f"{endpoint}/moto-api/reset")  # it remembers others' buckets
        store._resolve()[0].mkdir("empathic")
        for path, content in audio.items():
            store.write_bytes(path, content)
        release.build(V1)
        assert files() == on_disk
        counts = release.verify(V1)
        assert release.verify(f"s3://empathic/data/releases/{V1}") == counts
        store.delete(f"releases/{V1}/README.md")
        with pytest.raises(shards.Damaged, match=r"README\.md: missing"):
            release.verify(f"s3://empathic/data/releases/{V1}")
    finally:
        server.stop()
