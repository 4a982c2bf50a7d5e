"""Shards read back before a release gets its manifest: what that keeps, and which clips are decoded."""

import io
import json
import logging
from typing import Any

import pytest
import soundfile

from include import checks, release, settings, shards, store
from tests.conftest import agreed, annotation, chirp, merge, ready_clip, sql

pytestmark = pytest.mark.usefixtures("quick")

V1, V2 = "2026.01.01", "2026.01.02"
EXPECTATION = "every shard's samples are the frozen rows"


@pytest.fixture
def clip_ids(pipeline: settings.Settings) -> list[str]:
    """Ids of fourteen releasable clips of one channel, in a pipeline of twelve samples a shard."""
    settings.configure(**{**pipeline.model_dump(), "shard_samples": 12})
    clips = [ready_clip("abcdefghijk", n * 1000, channel="One") for n in range(14)]
    agreed(clips)
    return sorted(clips)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What soundfile has been given to decode since."""
    found: list[bytes] = []
    read = soundfile.read

    def noted(stream: io.BytesIO, **given: Any) -> Any:
        found.append(stream.getvalue())
        return read(stream, **given)

    monkeypatch.setattr(soundfile, "read", noted)
    return found


def built(version: str) -> None:
    release.freeze(version)
    checks.check_release(version)
    for batch in release.plan_shards(version):
        release.build_shards(version, batch)


def kept() -> list[dict[str, Any]]:
    return sql("select suite, expectation, severity, is_success, observed, ids from catalog.check_result")


def results(version: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(store.read_bytes(f"releases/{version}/checks/results.json"))
    return found


def page(version: str) -> str:
    return store.read_bytes(f"releases/{version}/checks/index.html").decode()


def test_a_good_release_says_that_its_shards_are_the_frozen_rows(
    clip_ids: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    release.build(V1)
    observed = {"element_count": 14, "unexpected_count": 0}
    outcome = {"suite": "shards", "expectation": EXPECTATION, "severity": "critical", "observed": observed, "ids": []}
    assert kept() == [{**outcome, "is_success": True}]
    assert results(V1) == [{**outcome, "expected": {"samples": 14}, "success": True}]
    assert EXPECTATION.replace("'", "&#39;") in page(V1)
    assert f'passed {EXPECTATION} {{"samples": 14}}' in caplog.text
    listed = {entry["path"] for entry in release.read_manifest(V1)["files"]}
    assert {"checks/results.json", "checks/index.html"} <= listed
    release.verify(V1)


def test_other_rows_fail_the_check_that_names_them(clip_ids: list[str], caplog: pytest.LogCaptureFixture) -> None:
    built(V1)
    hit = clip_ids[1:12]
    sql("""update catalog.sample set sample = sample || '{"n_raters": 4}' where clip_id = any(%s)""", hit)
    with pytest.raises(shards.Damaged, match=f"{hit[0]}'s JSON is not what was frozen"):
        release.verify_built(V1)
    observed = {"element_count": 14, "unexpected_count": 11}
    assert [(row["is_success"], row["observed"], row["ids"]) for row in kept()] == [(False, observed, hit[:10])]
    told = f'FAILED {EXPECTATION} {{"samples": 14}}: {json.dumps(observed)}, e.g. {", ".join(hit[:10])}'
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [told]
    assert results(V1)[0]["ids"] == hit[:10]
    assert '<td class="critical">FAILED' in page(V1)
    sql("""update catalog.sample set sample = sample || '{"n_raters": 3}' where clip_id = any(%s)""", hit)
    release.verify_built(V1)
    assert [row["is_success"] for row in kept()] == [False, True]
    assert [result["success"] for result in results(V1)] == [True]
    assert "FAILED" not in page(V1)


@pytest.mark.parametrize(
    ("damage", "n_hit"),
    [
        (lambda content: content[:-512], 12),  # no sample is hurt, so none of the shard is to be trusted
        (lambda content: content[: len(content) // 2 // 512 * 512], 7),  # the one that is cut, and those behind
        (lambda content: content[:600] + bytes([content[600] ^ 1]) + content[601:], 1),
        (None, 12),
    ],
    ids=["without its end", "half of it", "a bit flipped", "missing"],
)
def test_a_damaged_shard_fails_the_check(clip_ids: list[str], damage: Any, n_hit: int) -> None:
    built(V1)
    path = next(path for path in store.paths_below(f"releases/{V1}") if path.endswith("000000.tar"))
    content = store.read_bytes(path)
    store.delete(path)
    if damage is not None:
        store.write_bytes(path, damage(content))
    with pytest.raises(shards.Damaged, match=r"000000\.tar: (its SHA-256 is|missing)"):
        release.verify_built(V1)
    assert [row["observed"] for row in kept()] == [{"element_count": 14, "unexpected_count": n_hit}]


def test_a_shard_that_was_not_built_fails_the_check_for_all_its_clips(clip_ids: list[str]) -> None:
    release.freeze(V1)
    checks.check_release(V1)
    ((first, _),) = release.plan_shards(V1)
    release.build_shards(V1, [first])
    with pytest.raises(shards.Damaged, match=r"000001\.tar: not built"):
        release.verify_built(V1)
    assert [row["ids"] for row in kept()] == [clip_ids[12:]]


def test_audio_is_decoded_for_the_first_release_that_has_it(clip_ids: list[str], decoded: list[bytes]) -> None:
    release.build(V1)
    assert len(decoded) == 14
    decoded.clear()
    agreed([ready_clip("bcdefghijkl", channel="One", duration_s=0.7)])
    changed = io.BytesIO()
    soundfile.write(changed, chirp(0.5) / 2, 24_000, "PCM_16", format="FLAC")
    sha256 = store.put_audio(changed.getvalue())
    sql("update catalog.clip set audio_sha256 = %s where clip_id = %s", sha256, clip_ids[0])
    assert release.build(V2)["n_clips"] == 15
    assert len(decoded) == 2
    assert changed.getvalue() in decoded
    release.verify(V2)
    assert len(decoded) == 2 + 15


def test_audio_that_is_said_to_be_of_another_length_is_decoded_again(clip_ids: list[str]) -> None:
    release.build(V1)
    sql("update catalog.clip set duration_s = 0.9 where clip_id = %s", clip_ids[13])
    with pytest.raises(shards.Damaged, match=f"{clip_ids[13]} decodes to 12000 samples at 24000 Hz, not 0.9 s"):
        release.build(V2)
    assert release.latest_version() == V1


def test_a_bit_flipped_in_audio_of_the_last_release_stops_the_next(clip_ids: list[str]) -> None:
    release.build(V1)
    (row,) = sql("select audio_sha256 from catalog.clip where clip_id = %s", clip_ids[13])
    path = store.audio_path(row["audio_sha256"])
    content = bytearray(store.read_bytes(path))
    content[-20] ^= 1
    store.write_bytes(path, bytes(content))
    merge([annotation(clip_ids[13], "rater-0", arousal=9)])
    with pytest.raises(shards.Damaged, match="audio is not the one that its JSON names"):
        release.build(V2)
    assert release.latest_version() == V1
