import hashlib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from include import catalog, checks, labels, manifest, release, settings, shards, store, tables
from tests.conftest import agreed, annotation, merge, ready_clip, sql

pytestmark = pytest.mark.usefixtures("quick")

V1, V2, V3 = "2026.01.01", "2026.01.02", "2026.01.03"
Files = dict[str, bytes]


@pytest.fixture
def clip_ids(pipeline: settings.Settings) -> list[str]:
    """Ids of seven releasable clips of one channel, so of one split, in a pipeline of three samples a shard."""
    configure(shard_samples=3)
    clips = [ready_clip("abcdefghijk", n * 1000, channel="One") for n in range(7)]
    agreed(clips)
    return sorted(clips)


def configure(**given: Any) -> None:
    settings.configure(**{**settings.current().model_dump(), **given})


def places(version: str) -> dict[str, tuple[int, int]]:
    found = sql("select clip_id, shard, position from catalog.release_clip where version = %s", version)
    return {row["clip_id"]: (row["shard"], row["position"]) for row in found}


def tars(version: str) -> list[Path]:
    root = Path(store.url(f"releases/{version}").removeprefix("file://"))
    return sorted(root.rglob("*.tar"))


def inodes(version: str) -> list[int]:
    return [path.stat().st_ino for path in tars(version)]


def files(folder: str = "releases") -> Files:
    return {path: store.read_bytes(path) for path in store.paths_below(folder)}


def block(clip_id: str) -> None:
    sql("update catalog.clip set state = 'blocked', reason = 'taken down' where clip_id = %s", clip_id)


def split(version: str) -> dict[str, Any]:
    (found,) = release.read_manifest(version)["splits"].values()
    return dict(found)


# Incremental


def test_new_clips_fill_the_tail_and_full_shards_are_shared(clip_ids: list[str]) -> None:
    release.build(V1)
    before, first = places(V1), inodes(V1)
    added = [ready_clip("aaaaaaaaaaa", n * 1000, channel="One") for n in range(3)]  # sorts before all others
    agreed(added)
    release.build(V2)
    after, second = places(V2), inodes(V2)
    assert {clip_id: after[clip_id] for clip_id in clip_ids} == before
    assert [after[clip_id] for clip_id in sorted(added)] == [(2, 1), (2, 2), (3, 0)]
    assert second[:2] == first[:2]
    assert second[2] != first[2]
    assert release.verify(V1)["samples"] == 7
    assert release.verify(V2)["samples"] == 10
    table = pq.read_table(store.url(f"releases/{V2}/clips.parquet").removeprefix("file://")).to_pylist()
    for row in table:
        content = store.read_bytes(f"releases/{V2}/{row['shard_path']}")
        flac = content[row["flac_offset_bytes"] :][: row["flac_bytes"]]
        assert hashlib.sha256(flac).hexdigest() == row["audio_sha256"]


def test_a_changed_label_rewrites_its_shard_alone(clip_ids: list[str]) -> None:
    release.build(V1)
    merge([annotation(clip_ids[4], "rater-0", arousal=9)])
    release.build(V2)
    first, second = inodes(V1), inodes(V2)
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, False, True]
    assert places(V1) == places(V2)


def test_a_removal_leaves_its_shard_shorter_until_all_is_packed_anew(clip_ids: list[str]) -> None:
    release.build(V1)
    block(clip_ids[0])
    release.build(V2)
    assert [shard["n_samples"] for shard in split(V2)["shards"]] == [2, 3, 1]
    assert [a == b for a, b in zip(inodes(V1), inodes(V2), strict=True)] == [False, True, True]
    assert release.build(V3)["is_changed"] is False
    assert release.build(V3, is_compact=True)["is_changed"] is True
    assert [shard["n_samples"] for shard in split(V3)["shards"]] == [3, 3]
    assert release.verify(V3)["samples"] == 6
    assert release.build("2026.01.04", is_compact=True)["is_changed"] is False


def test_a_shard_that_lost_all_clips_is_gone_and_the_others_keep_their_names(clip_ids: list[str]) -> None:
    release.build(V1)
    for clip_id in clip_ids[:3]:
        block(clip_id)
    release.build(V2)
    assert [shard["path"][-10:] for shard in split(V2)["shards"]] == ["000001.tar", "000002.tar"]
    assert release.verify(V2)["samples"] == 4


def test_the_manifest_lists_full_shards_and_the_tail_apart_and_fits_its_schema(clip_ids: list[str]) -> None:
    release.build(V1)
    found = split(V1)
    assert [path[-10:] for path in found["full_shards"]] == ["000000.tar", "000001.tar"]
    assert [path[-10:] for path in found["tail_shards"]] == ["000002.tar"]
    assert (found["samples_per_full_shard"], found["full_shards_divide_over"]) == (3, [1, 2])
    schema = json.loads(store.read_bytes(f"releases/{V1}/manifest.schema.json"))
    jsonschema.validate(release.read_manifest(V1), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**release.read_manifest(V1), "n_clips": -1}, schema)


def test_a_full_shard_keeps_its_size_when_the_setting_changes(clip_ids: list[str]) -> None:
    release.build(V1)
    configure(shard_samples=100)
    agreed([ready_clip("bcdefghijkl", n * 1000, channel="One") for n in range(3)])
    release.build(V2)
    assert [shard["n_samples"] for shard in split(V2)["shards"]] == [3, 3, 3, 1]
    release.build(V3, is_compact=True)
    assert [shard["n_samples"] for shard in split(V3)["shards"]] == [10]


def test_long_clips_make_shards_of_fewer_samples(clip_ids: list[str]) -> None:
    sql("update catalog.clip set audio_bytes = 20000")
    configure(shard_samples=1000, shard_bytes=50_000)
    release.build(V1)
    assert [shard["n_samples"] for shard in split(V1)["shards"]] == [2, 2, 2, 1]


@pytest.mark.parametrize("has_checksums", [True, False])
def test_a_damaged_shard_is_not_taken_over_but_mended(
    has_checksums: bool, clip_ids: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    release.build(V1)
    if not has_checksums:
        sql("update catalog.release_shard set xxh3_128 = null")
    whole = tars(V1)[0].read_bytes()
    flipped = bytearray(whole)
    flipped[5000] ^= 1
    tars(V1)[0].chmod(0o644)
    tars(V1)[0].write_bytes(flipped)
    tars(V1)[1].unlink()
    merge([annotation(clip_ids[6], "rater-0", arousal=9)])
    release.build(V2)
    assert "000000.tar is damaged" in caplog.text
    assert "000001.tar is missing" in caplog.text
    assert tars(V2)[0].read_bytes() == whole
    assert release.verify(V2)["samples"] == 7


def test_a_shard_without_a_fast_checksum_is_proved_by_its_hash_once(
    clip_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def checksums(version: str) -> list[tuple[str, str | None]]:
        found = sql("select path, xxh3_128 from catalog.release_shard where version = %s order by path", version)
        return [(row["path"], row["xxh3_128"]) for row in found]

    release.build(V1)
    first = checksums(V1)
    assert first == [(path, store.xxh3_128(f"releases/{V1}/{path}")) for path, _ in first]
    sql("update catalog.release_shard set xxh3_128 = null")
    hashed: list[str] = []
    hash_of = store.sha256
    monkeypatch.setattr(store, "sha256", lambda path: (hashed.append(path), hash_of(path))[1])
    kept = [f"releases/{V1}/{path}" for path, _ in first[:2]]
    for version, arousal, expected in ((V2, 8, kept), (V3, 9, [])):
        hashed.clear()
        merge([annotation(clip_ids[6], "rater-0", arousal=arousal)])
        release.build(version)
        assert sorted(path for path in hashed if path.endswith(".tar")) == expected
        assert checksums(version)[:2] == first[:2]


def test_a_bit_flipped_in_stored_audio_stops_the_release(clip_ids: list[str]) -> None:
    path = store.paths_below("audio")[0]
    content = bytearray(store.read_bytes(path))
    content[-20] ^= 1
    store.write_bytes(path, bytes(content))
    with pytest.raises(shards.Damaged, match="audio is not the one that its JSON names"):
        release.build(V1)
    assert release.latest_version() is None


def test_a_shard_of_other_rows_than_the_frozen_ones_is_found(clip_ids: list[str]) -> None:
    release.freeze(V1)
    for batch in release.plan_shards(V1):
        release.build_shards(V1, batch)
    sql("""update catalog.sample set sample = sample || '{"n_raters": 4}' where clip_id = %s""", clip_ids[3])
    with pytest.raises(shards.Damaged, match=f"{clip_ids[3]}'s JSON is not what was frozen"):
        release.verify_built(V1)


# What a release may say


def test_clips_whose_licence_forbids_copies_become_links(clip_ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPEN_EMPATHIC_LICENCE_POLICY")  # settings would lay one policy into the other
    release.build(V1)
    other = ready_clip("bcdefghijkl", channel="Two")
    agreed([other])
    sql("update catalog.source set licence = 'CC BY-NC-ND 4.0' where speaker_group = 'Two'")
    withheld = ready_clip("cdefghijklm", channel="Three")
    agreed([withheld])
    sql("update catalog.source set licence = 'secret' where speaker_group = 'Three'")
    configure(licence_policy={"secret": "nothing", **settings.current().licence_policy})
    release.build(V2)
    root = store.url(f"releases/{V2}").removeprefix("file://")
    (link,) = pq.read_table(f"{root}/links.parquet").to_pylist()
    assert (link["clip_id"], link["licence"], link["n_raters"]) == (other, "CC BY-NC-ND 4.0", 3)
    assert not {"audio_sha256", "shard_path", "flac_bytes"} & link.keys()
    assert release.read_manifest(V2)["n_links"] == 1
    assert {row["clip_id"] for row in pq.read_table(f"{root}/clips.parquet").to_pylist()} == set(clip_ids)
    assert not any(other.encode() in path.read_bytes() for path in tars(V2))
    sql("update catalog.source set licence = 'All rights reserved' where speaker_group = 'One'")
    agreed([ready_clip("defghijklmn", channel="Two")])
    sql("update catalog.source set licence = 'CC-BY-4.0' where speaker_group = 'Two'")
    release.build(V3)
    removed = [json.loads(line) for line in store.read_bytes(f"releases/{V3}/removed.jsonl").splitlines()]
    assert {row["reason"] for row in removed} == {"its licence forbids passing on audio: see links.parquet"}


@pytest.mark.parametrize(
    ("licence", "use"),
    [("Creative Commons Attribution license (reuse allowed)", "audio"), ("CC-BY-ND-4.0", "links"), ("cc0-1.0", "audio"),
     ("https://creativecommons.org/licenses/by/4.0/", "audio"), ("unknown", "links"), ("", "links"),
     ("Attribution-NoDerivs", "links"), ("Standard YouTube License", "links"), ("ALL RIGHTS RESERVED", "links")],
)  # fmt: skip
def test_audio_goes_out_only_under_a_licence_that_allows_it(
    licence: str, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPEN_EMPATHIC_LICENCE_POLICY")
    assert settings.Settings().licence_use(licence) == use
    assert settings.Settings(licence_policy={"cc-by*": "audio"}).licence_use("unknown") == "nothing"


def test_what_few_speakers_share_is_blanked_in_clips_and_votes(pipeline: settings.Settings) -> None:
    configure(shard_samples=100)
    said = {"gender": "female", "age_group": "20-39", "accent": "irish"}
    common = [ready_clip(f"{n:011}", channel=f"Many {n}") for n in range(5)]
    agreed(common, **said)
    rare_accent, rare_age, rare_all = [ready_clip(f"{n:011}", channel=f"Few {n}") for n in (5, 6, 7)]
    agreed([rare_accent], **{**said, "accent": "german"})
    agreed([rare_age], **{**said, "age_group": "80-100"})
    agreed([rare_all], **{**said, "gender": "other"})
    merge([annotation(common[0], "rater-0", **{**said, "accent": "russian"})])
    release.build(V1)
    root = store.url(f"releases/{V1}").removeprefix("file://")
    table = {row["clip_id"]: row for row in pq.read_table(f"{root}/clips.parquet").to_pylist()}
    names = ("perceived_gender", "perceived_age_group", "perceived_accent")
    shown = {clip_id: tuple(row[name] for name in names) for clip_id, row in table.items()}
    assert {shown[clip_id] for clip_id in common} == {("female", "20-39", "irish")}
    assert shown[rare_accent] == ("female", "20-39", None)
    assert shown[rare_age] == ("female", None, None)
    assert shown[rare_all] == (None, None, None)
    assert table[rare_all]["perceived_gender_share"] is None
    votes = pq.read_table(f"{root}/votes.parquet").to_pylist()
    heard = {(vote["clip_id"], *(vote[name] for name in names)) for vote in votes}
    assert {row[1:] for row in heard if row[0] == rare_all} == {(None, None, None)}
    assert {row[1:] for row in heard if row[0] == common[0]} == {
        ("female", "20-39", "irish"), ("female", "20-39", None)
    }  # fmt: skip
    assert not any(word in path.read_bytes() for path in tars(V1) for word in (b"german", b"80-100", b'"other"'))


def test_text_with_an_address_is_left_out(clip_ids: list[str]) -> None:
    agreed([clip_ids[0]], transcription="write to jane.doe+x@example.org please")
    agreed([clip_ids[1]], transcription="meet me @ eight")
    release.build(V1)
    for path, content in files(f"releases/{V1}").items():
        assert b"jane.doe" not in content, path
    root = store.url(f"releases/{V1}").removeprefix("file://")
    said = {row["clip_id"]: row["transcription"] for row in pq.read_table(f"{root}/clips.parquet").to_pylist()}
    assert (said[clip_ids[0]], said[clip_ids[1]]) == (None, "meet me @ eight")


def test_the_key_of_pseudonyms_comes_from_a_connection(
    pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "airflow_connection_secret", {"open_empathic_pseudonyms": "from there"}.get)
    with catalog.connect() as connection:
        assert tables.pseudonym_key(connection) == b"from there"
    configure(pseudonym_key="set here")
    with catalog.connect() as connection:
        assert tables.pseudonym_key(connection) == b"set here"
    assert sql("select * from catalog.setting") == []


def test_the_sums_are_what_coreutils_reads(clip_ids: list[str]) -> None:
    release.build(V1)
    lines = store.read_bytes(f"releases/{V1}/SHA256SUMS").decode().splitlines()
    found = {path: sha256 for sha256, path in (line.split("  ", 1) for line in lines)}
    prefix = f"releases/{V1}/"
    expected = {path.removeprefix(prefix): hashlib.sha256(content).hexdigest() for path, content in files().items()
                if path.startswith(prefix) and not path.endswith(("/manifest.json", "/SHA256SUMS"))}  # fmt: skip
    assert found == expected


def test_the_wids_index_lists_each_shard(clip_ids: list[str]) -> None:
    release.build(V1)
    (name,) = release.read_manifest(V1)["splits"]
    index = json.loads(store.read_bytes(f"releases/{V1}/wids/{name}.json"))
    assert index["__kind__"] == "wids-shard-index-v1"
    assert sum(shard["nsamples"] for shard in index["shardlist"]) == 7
    for shard in index["shardlist"]:
        path = os.path.normpath(f"releases/{V1}/wids/{shard['url']}")
        assert store.size_bytes(path) == shard["filesize"]


# Clock, disk, publishers


def test_a_clock_that_goes_back_gives_no_older_version(clip_ids: list[str]) -> None:
    release.build("2099.12.31")
    assert release.next_version() == "2099.12.31.1"
    sql("update catalog.annotation set merged_at = now() + interval '1 day'")
    merge([annotation(clip_ids[0], "rater-0", arousal=9)])
    sql("update catalog.annotation set merged_at = now() + interval '1 day'")
    assert release.build()["version"] == "2099.12.31.1"
    root = store.url("releases/2099.12.31.1").removeprefix("file://")
    assert len(pq.read_table(f"{root}/votes.parquet")) == 21
    assert release.latest_version() == "2099.12.31.1"


def test_one_clip_is_a_release(pipeline: settings.Settings) -> None:
    agreed([ready_clip("abcdefghijk")])
    assert release.build(V1)["n_clips"] == 1
    assert release.verify(V1)["samples"] == 1


def test_a_publisher_that_froze_anew_shuts_out_the_one_before(clip_ids: list[str]) -> None:
    release.freeze(V1)
    for batch in release.plan_shards(V1):
        release.build_shards(V1, batch)
    merge([annotation(clip_ids[0], "rater-0", arousal=9)])
    release.freeze(V1)  # the second publisher
    for write in (release.write_tables_and_card, release.write_manifest):
        with pytest.raises(release.ReleaseError, match="3 of 3 shards are not built"):
            write(V1)
    release.build(V1)
    assert release.verify(V1)["samples"] == 7


def test_tables_of_what_was_frozen_before_get_no_manifest(clip_ids: list[str]) -> None:
    def freeze_and_build() -> None:
        release.freeze(V1)
        for batch in release.plan_shards(V1):
            release.build_shards(V1, batch)

    freeze_and_build()
    with pytest.raises(release.ReleaseError, match="tables and card are not written"):
        release.write_manifest(V1)
    checks.check_release(V1)
    release.write_tables_and_card(V1)
    merge([annotation(clip_ids[0], "rater-0", arousal=9)])
    freeze_and_build()  # the second publisher
    with pytest.raises(release.ReleaseError, match="tables and card are not written"):
        release.write_manifest(V1)
    assert not store.exists(f"releases/{V1}/manifest.json")


def test_of_two_manifests_of_one_version_the_first_stays(clip_ids: list[str]) -> None:
    release.freeze(V1)
    for batch in release.plan_shards(V1):
        release.build_shards(V1, batch)
    checks.check_release(V1)
    release.write_tables_and_card(V1)
    store.write_bytes(f"releases/{V1}/manifest.json", b"of another catalog")
    with pytest.raises(release.ReleaseError, match="another publisher wrote release"):
        release.write_manifest(V1)
    assert store.read_bytes(f"releases/{V1}/manifest.json") == b"of another catalog"


def test_every_damage_is_found(clip_ids: list[str]) -> None:
    release.build(V1)
    path = tars(V1)[2]  # one sample
    content = path.read_bytes()
    path.chmod(0o644)
    damages = [content[:n] for n in range(0, len(content), 512)]
    for n in random.Random(1).sample(range(len(content)), 40):
        flipped = bytearray(content)
        flipped[n] ^= 1 << n % 8
        damages.append(bytes(flipped))
    for damaged in damages:
        path.write_bytes(damaged)
        with pytest.raises(shards.Damaged, match=r"000002\.tar"):
            release.verify(V1)
    path.unlink()
    with pytest.raises(shards.Damaged, match=r"000002\.tar: missing"):
        release.verify(V1)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an S3 server with an empty bucket `empathic`."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    httpx.post("http://{}:{}/moto-api/reset".format(*server.get_host_and_port()))  # it remembers others' buckets
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


def test_s3_lets_one_of_two_writers_win(pipeline: settings.Settings, s3: str) -> None:
    configure(store_url="s3://empathic/data", s3_endpoint_url=s3)
    store._resolve()[0].mkdir("empathic")
    for path in ("a.json", "b.json"):
        store.write_if(path, b"one", None)
        with pytest.raises(store.Conflict):
            store.write_if(path, b"two", None)
        content, tag = store.read_tagged(path)
        assert content == b"one"
        store.write_if(path, b"three", tag)
        with pytest.raises(store.Conflict):
            store.write_if(path, b"four", tag)
        assert store.read_tagged(path)[0] == b"three"
    assert store.read_tagged("nowhere.json") == (b"", None)


def test_s3_shares_a_whole_shard_and_mends_a_damaged_one(pipeline: settings.Settings, s3: str) -> None:
    configure(store_url="s3://empathic/data", s3_endpoint_url=s3, shard_samples=1)
    store._resolve()[0].mkdir("empathic")
    clips = sorted(ready_clip("abcdefghijk", n * 1000, channel="One", duration_s=0.2) for n in range(3))
    agreed(clips)
    release.build(V1)
    whole = {path.split("/", 2)[2]: content for path, content in files().items() if path.endswith(".tar")}
    first, second, _ = sorted(whole)
    flipped = bytearray(whole[first])
    flipped[700] ^= 1
    store.write_bytes(f"releases/{V1}/{first}", bytes(flipped))
    merge([annotation(clips[2], "rater-0", arousal=9)])
    release.build(V2)
    assert {path: store.read_bytes(f"releases/{V2}/{path}") == whole[path] for path in (first, second)} == {
        first: True,
        second: True,
    }
    reused = sql("select path from catalog.release_shard where version = %s and reused_from is not null", V2)
    assert [row["path"] for row in reused] == [second]


def test_one_of_many_writers_wins_on_disk(pipeline: settings.Settings) -> None:
    children = []
    for n in range(8):
        child = os.fork()
        if child == 0:
            try:
                store.write_if("x/latest.json", str(n).encode(), None)
            except store.Conflict:
                os._exit(1)
            os._exit(0)
        children.append(child)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert codes == [0] + [1] * 7


def test_weights_and_relabelling_leave_shards_alone(clip_ids: list[str]) -> None:
    release.build(V1)
    labels.renew_all()
    assert release.build(V2)["is_changed"] is False
    assert manifest.compose(V1)["n_clips"] == 7
