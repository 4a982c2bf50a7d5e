import hashlib
import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import RATE_HZ, Web, agreed, chirp, sql

from include import catalog, faults, harvest, ids, leftovers, settings, source_plot, store, transcode, workfolder, ytdlp

Recording = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("pipeline")


pytestmark = pytest.mark.usefixtures("tones_are_taken")


def clips() -> list[dict[str, Any]]:
    return sql("select * from catalog.clip order by source_id, start_ms, end_ms")


def states() -> dict[str, str]:
    """State of each clip by its place in its source."""
    return {f"{row['start_ms']}-{row['end_ms']}": row["state"] for row in clips()}


def source() -> dict[str, Any]:
    """The one source there is."""
    (found,) = sql("select * from catalog.source")
    return found


def due() -> list[str]:
    return [source_id for batch in transcode.plan_batches() for source_id in batch]


def run() -> dict[str, int]:
    return transcode.transcode_batch(due())


def make_due() -> None:
    sql("update catalog.clip set retry_at = now() - interval '1 second' where retry_at is not null")
    sql("update catalog.source set retry_at = now() - interval '1 second' where retry_at is not null")
    sql("update catalog.site set open_until = now()")


@pytest.fixture
def talk(web: Web, recording: Recording) -> str:
    """URL of a recording of 12 s."""
    return web.add("talk.m4a", recording("talk.m4a", 12))


def test_a_ready_clip_has_its_audio_in_the_store(talk: str) -> None:
    harvest.harvest_batch([f"{talk}#t=2,4.5"])
    assert run() == {"ready": 1}
    (clip,) = clips()
    flac = store.read_bytes(store.audio_path(clip["audio_sha256"]))
    assert hashlib.sha256(flac).hexdigest() == clip["audio_sha256"]
    assert (clip["audio_bytes"], clip["sample_rate_hz"], clip["duration_s"]) == (len(flac), RATE_HZ, 2.5)
    measures = clip["measures"]
    assert measures["loudness_lufs"] == pytest.approx(-23, abs=0.7)  # of the source, of which it is a part
    assert measures["peak_dbfs"] == pytest.approx(-10.5 + measures["gain_db"], abs=0.3)
    assert (clip["audio_start_ms"], clip["audio_end_ms"]) == (2000, 4500)
    assert (clip["reason"], clip["retry_at"]) == (None, None)
    assert clip["ready_at"] is not None
    samples, _ = soundfile.read(io.BytesIO(flac))
    undone = samples / 10 ** (measures["gain_db"] / 20)
    assert np.abs(undone - chirp(5)[2 * RATE_HZ : 2 * RATE_HZ + len(samples)]).max() < 0.1
    assert source()["duration_s"] == pytest.approx(12, abs=0.1)


def test_a_source_is_downloaded_once_for_all_its_clips(web: Web, talk: str) -> None:
    harvest.harvest_batch([f"{talk}#t={start},{start + 1}" for start in range(8)])
    web.requests.clear()
    assert run() == {"ready": 8}
    assert web.requests == ["/talk.m4a"] * 2  # yt-dlp looks first, then downloads
    assert len(store.paths_below("audio")) == 8


def test_five_seconds_are_cut_out_of_an_hour(web: Web, recording: Recording) -> None:
    hour = "adelay=3000s:all=1,apad=whole_dur=3600s"  # silence, but for 12 s
    url = web.add("hour.flac", recording("hour.flac", 12, options=("-af", hour)), content_type="audio/flac")
    harvest.harvest_batch([f"{url}#t=3003,3008"])
    assert run() == {"ready": 1}
    (clip,) = clips()
    assert (clip["audio_start_ms"], clip["audio_end_ms"], clip["duration_s"]) == (3_003_000, 3_008_000, 5.0)
    samples, _ = soundfile.read(io.BytesIO(store.read_bytes(store.audio_path(clip["audio_sha256"]))))
    undone = samples / 10 ** (clip["measures"]["gain_db"] / 20)
    assert np.abs(undone - chirp(8)[3 * RATE_HZ :]).max() < 0.01


def test_a_source_without_times_is_cut_by_rule(web: Web, recording: Recording) -> None:
    url = web.add("long.mp3", recording("long.mp3", 24))
    harvest.harvest_batch([url])
    assert run() == {"ready": 2}
    assert states() == {"0-12000": "ready", "12000-24000": "ready"}
    assert (source()["is_cut"], source()["is_to_cut"]) == (True, False)
    harvest.harvest_batch([url])
    assert due() == []


def test_a_second_run_finds_nothing_to_do(web: Web, talk: str) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2", f"{talk}#t=20,22"])
    assert run() == {"ready": 1, "rejected": 1}
    before, n_requests = clips(), len(web.requests)
    assert due() == []
    assert transcode.transcode_batch([ids.source_id(talk)]) == {"busy_sources": 1}  # planned by two runs at once
    assert (clips(), len(web.requests)) == (before, n_requests)
    assert source()["refusal"] is None


def test_each_clip_is_rejected_for_its_own_reason(web: Web, recording: Recording) -> None:
    sound = np.concatenate([chirp(3), np.zeros(3 * RATE_HZ)])
    url = web.add("talk.flac", recording("talk.flac", 6, samples=sound), content_type="audio/flac")
    harvest.harvest_batch([f"{url}#t={times}" for times in ("0,2", "4,5", "5,9", "45,53", "5,6.2")])
    assert run() == {"ready": 1, "rejected": 4}
    reasons = {row["start_ms"] + row["end_ms"]: row["reason"] for row in clips()}
    assert reasons == {
        2000: None,
        9000: "digital silence",
        11_200: "digital silence",
        14_000: "past the end: the recording has 6.00 s",
        98_000: "past the end: the recording has 6.00 s",
    }


def test_what_cannot_be_decoded_is_rejected_for_good(web: Web, talk: str) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2", f"{talk}#t=2,4"])
    web.add("talk.m4a", b"<html>nothing here</html>" * 9, content_type="audio/mp4")
    assert run() == {"rejected": 2}
    assert {row["reason"] for row in clips()} == {source()["refusal"]}
    assert source()["refusal"].startswith("nothing could be decoded: ")
    assert due() == []


def test_an_uncut_source_without_audio_is_refused(web: Web, recording: Recording) -> None:
    url = web.add(
        "mute.mp4", recording("mute.mp4", 1, options=("-f", "lavfi", "-i", "testsrc=d=1:s=64x48", "-map", "1:v"))
    )
    harvest.harvest_batch([url])
    assert run() == {"refused_sources": 1}
    assert (source()["refusal"], source()["is_to_cut"], due()) == ("no audio stream", False, [])
    assert harvest.harvest_batch([url]) == {"known_sources": 1}
    assert due() == []


def test_an_uncut_source_that_is_too_short_is_refused(web: Web, recording: Recording) -> None:
    harvest.harvest_batch([web.add("short.mp3", recording("short.mp3", 0.5))])
    assert run() == {"refused_sources": 1}
    assert source()["refusal"] == "only 0.50 s long"


def test_a_source_lost_for_good_is_not_asked_for_again(web: Web, recording: Recording) -> None:
    urls = [web.add(name, recording("talk.mp3", 1)) for name in ("404.mp3", "403.mp3")]
    harvest.harvest_batch([f"{url}#t={times}" for url in urls for times in ("0,2", "2,4")])
    for status in (404, 403):
        web.add(f"{status}.mp3", status=status)
    assert run() == {"gone": 2, "rejected": 2}
    by_state = {row["state"]: row["reason"] for row in clips()}
    assert by_state["gone"].startswith("gone: ")
    assert by_state["rejected"].startswith("refused: ")
    assert "HTTP Error 403" in by_state["rejected"]
    assert due() == []


def test_a_source_that_is_down_is_tried_again_later(web: Web, talk: str) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2"])
    content = web.answers["/talk.m4a"][2]
    for status, wait_s in ((503, 3600), (429, 7200)):
        web.add("talk.m4a", status=status)
        assert run() == {"failed": 1}
        waits_s = sql("select extract(epoch from retry_at - now())::float as wait_s from catalog.clip")[0]["wait_s"]
        assert 0.75 * wait_s - 60 < waits_s <= wait_s
        assert due() == []
        assert transcode.transcode_batch([ids.source_id(talk)]) == {"busy_sources": 1}
        make_due()
    web.add("talk.m4a", content, content_type="audio/mp4")
    assert run() == {"ready": 1}
    assert (clips()[0]["reason"], clips()[0]["retry_at"], source()["retry_at"]) == (None, None, None)


def test_an_uncut_source_that_is_down_is_tried_again_later(web: Web, talk: str) -> None:
    harvest.harvest_batch([talk])
    content = web.answers["/talk.m4a"][2]
    web.add("talk.m4a", status=503)
    assert run() == {"failed_sources": 1}
    assert due() == []
    make_due()
    web.add("talk.m4a", content, content_type="audio/mp4")
    assert run() == {"ready": 1}
    web.add("other.mp3", content)
    harvest.harvest_batch([f"{web.url}/other.mp3"])
    web.add("other.mp3", status=404)
    assert run() == {"gone_sources": 1}
    assert due() == []


@pytest.mark.parametrize("path", ["talk.flac", "endless.flac"])
def test_a_recording_over_the_limit_is_refused(web: Web, recording: Recording, path: str) -> None:
    url = web.add(path, recording("talk.flac", 12), content_type="audio/flac")
    harvest.harvest_batch([f"{url}#t=0,2"])
    settings.configure(**settings.current().model_dump() | {"max_download_bytes": 50_000})
    assert run() == {"rejected": 1}
    assert "over 50000 bytes" in clips()[0]["reason"]


def test_a_download_is_stopped_at_the_limit(web: Web, tmp_path: Path) -> None:
    url = web.add("endless.wav", bytes(2**22), content_type="audio/wav")
    settings.configure(**settings.current().model_dump() | {"max_download_bytes": 2**20})
    with pytest.raises(faults.Fault, match="over 1048576 bytes"):
        ytdlp.download(url, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.glob("source*")) < 2**22


def test_a_recording_that_became_a_live_stream_is_not_waited_for(web: Web) -> None:
    part = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\npart.ts\n"
    url = web.add("talk.m3u8", f"{part}#EXT-X-ENDLIST\n", content_type="application/vnd.apple.mpegurl")
    harvest.harvest_batch([url])
    web.add("talk.m3u8", part, content_type="application/vnd.apple.mpegurl")
    assert run() == {"refused_sources": 1}
    messages = sql("select message from catalog.clip_attempt where stage = 'transcode'")
    assert ytdlp.LIVE in messages[0]["message"]


def test_a_stream_in_parts_becomes_audio(web: Web, recording: Recording) -> None:
    web.add("part.ts", recording("part.ts", 3), content_type="video/mp2t")
    parts = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:3,\npart.ts\n#EXT-X-ENDLIST\n"
    harvest.harvest_batch([web.add("talk.m3u8", parts, content_type="application/vnd.apple.mpegurl")])
    assert run() == {"ready": 1}
    assert clips()[0]["duration_s"] == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("has_picture", [False, True])
@pytest.mark.parametrize("segments", ["mpegts", "fmp4"])
def test_a_clip_of_a_stream_in_parts_is_where_it_should_be(
    site: str, recording: Recording, segments: str, has_picture: bool
) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc=d=12:s=64x48", "-map", "0:a", "-map", "1:v") if has_picture else ()
    options = ("-c:a", "aac", "-f", "hls", "-hls_time", "3", "-hls_playlist_type", "vod", "-hls_segment_type", segments)
    recording("talk.m3u8", 12, options=(*picture, *options))
    starts_ms = (500, 5250, 10_001)
    url = f"{site}/talk.m3u8"
    harvest.harvest_batch([f"{url}#t={start / 1000},{start / 1000 + 1.5}" for start in starts_ms])
    assert run() == {"ready": 3}
    for clip, start_ms in zip(clips(), starts_ms, strict=True):
        samples, _ = soundfile.read(io.BytesIO(store.read_bytes(store.audio_path(clip["audio_sha256"]))))
        # Half a second of a chirp of ours that begins at each moment around: the best match tells where this one does.
        around_ms = np.arange(start_ms - 60, start_ms + 60)
        ours = chirp(13)
        found = [ours[begin : begin + RATE_HZ // 2] @ samples[: RATE_HZ // 2] for begin in around_ms * RATE_HZ // 1000]
        assert abs(around_ms[int(np.argmax(found))] - start_ms) <= 5


def test_one_bad_source_never_stops_its_batch(web: Web, talk: str, recording: Recording) -> None:
    other = web.add("other.mp3", recording("other.mp3", 2))
    bad = [web.add(name, recording("talk.mp3", 1)) for name in ("a.mp3", "b.mp3", "c.mp3")]
    harvest.harvest_batch([f"{url}#t=0,1" for url in (bad[0], talk, *bad[1:], other)])
    web.add("a.mp3", status=404)
    web.add("b.mp3", status=503)
    web.add("c.mp3", b"no sound")
    assert run() == {"ready": 2, "gone": 1, "failed": 1, "rejected": 1}


def test_a_plan_is_by_age_limited_and_in_batches(
    web: Web, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = recording("talk.mp3", 1)
    urls = [web.add(f"{name}.mp3", content) for name in "cab"]
    for url in urls:
        harvest.harvest_batch([f"{url}#t=0,1", f"{url}#t=1,2"])
    wanted = [ids.source_id(url) for url in urls]
    assert transcode.plan_batches(batch_minutes=20) == [wanted[:2], wanted[2:]]
    assert transcode.plan_batches(limit=1) == [wanted[:1]]
    assert transcode.plan_batches(dry_run=True) == []
    assert transcode.plan_batches() == [wanted]  # half an hour of audio is not worth two tasks
    monkeypatch.setattr(transcode, "LEAST_S", 60.0)
    settings.configure(**settings.current().model_dump() | {"transcode_slots": 3})
    assert transcode.plan_batches() == [[source_id] for source_id in wanted]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_source_in_one_workers_hands_is_left_alone_by_others(web: Web, talk: str) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2"])
    web.requests.clear()
    web.is_open.clear()
    with ThreadPoolExecutor() as pool:
        try:
            first = pool.submit(run)
            wait_for(lambda: web.requests)
            assert transcode.transcode_batch([ids.source_id(talk)]) == {"busy_sources": 1}
            later = pool.submit(harvest.harvest_batch, [f"{talk}#t=2,4"])
            assert later.result(timeout=10) == {"known_sources": 1, "new_clips": 1}  # harvesting needn't wait
        finally:
            web.is_open.set()
        assert first.result() == {"ready": 2}
    assert len(web.requests) == 2


def test_workers_share_sources_and_do_none_twice(web: Web, recording: Recording) -> None:
    for n in range(6):
        url = web.add(f"{n}.mp3", recording(f"{n}.mp3", 3, samples=chirp(9)[n * RATE_HZ : (n + 3) * RATE_HZ]))
        harvest.harvest_batch([f"{url}#t=0,1", f"{url}#t=1,2"])
    web.requests.clear()
    planned = due()
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(transcode.transcode_batch, [planned, planned[::-1], planned[3:] + planned[:3]]))
    assert sum(result.get("ready", 0) for result in results) == 12
    assert sum(result.get("busy_sources", 0) for result in results) == 12
    assert sorted(web.requests) == sorted(f"/{n}.mp3" for n in range(6) for _ in range(2))


def test_clips_settled_while_their_source_came_down_refuse_nothing(talk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2"])
    download = ytdlp.download

    def download_meanwhile(url: str, folder: Path) -> Path:
        sql("update catalog.clip set state = 'blocked', reason = 'taken down'")
        return download(url, folder)

    monkeypatch.setattr(ytdlp, "download", download_meanwhile)
    assert run() == {}
    assert (states(), source()["refusal"]) == ({"0-2000": "blocked"}, None)


def worker(pipeline: settings.Settings, source_id: str, first: str = "") -> "subprocess.Popen[bytes]":
    """A process of its own that transcodes one source, once it has run `first`."""
    code = f"import os, signal\nfrom include import audio, leftovers, measures, store, transcode\n{first}\n"
    return subprocess.Popen(
        [sys.executable, "-c", f"{code}transcode.transcode_batch([{source_id!r}])"],
        cwd=settings.ROOT,
        env=settings.process_environment(
            OPEN_EMPATHIC_CATALOG_URL=str(pipeline.catalog_url),
            OPEN_EMPATHIC_STORE_URL=pipeline.store_url,
            OPEN_EMPATHIC_RUN=str(pipeline.run),
        ),
    )


def test_a_worker_killed_at_work_loses_nothing(web: Web, talk: str, pipeline: settings.Settings) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2", f"{talk}#t=2,4"])
    before = clips()
    web.requests.clear()
    web.is_open.clear()
    killed = worker(pipeline, ids.source_id(talk))
    wait_for(lambda: web.requests)
    assert transcode.transcode_batch(due()) == {"busy_sources": 1}
    killed.kill()
    killed.wait()
    web.is_open.set()
    assert clips() == before
    wait_for(
        lambda: (
            not sql(
                "select 1 from pg_locks join pg_class on relation = pg_class.oid where relname = 'source'"
                " and pid <> pg_backend_pid()"
            )
        )
    )
    assert len(list((pipeline.run / "transcode").iterdir())) == 1  # what it left
    assert run() == {"ready": 2}
    assert list((pipeline.run / "transcode").iterdir()) == []
    assert due() == []


def stored() -> list[str]:
    """All files of the store's audio, those included that readers never see."""
    folder = Path(settings.current().store_root.removeprefix("file://")) / "audio"
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def named() -> list[str]:
    """The files that the clips name."""
    return sorted(f"{clip['audio_sha256']}.flac" for clip in clips() if clip["state"] == "ready")


DIE = "die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
KILLED_AT: dict[str, tuple[str, int]] = {  # and how many files the store has then
    "the recording is there": ("audio.decode = die", 0),
    "it is decoded": ("measures.measure = die", 0),
    "nothing is stored": ("store.put_audio = die", 0),
    "a clip is half written": ("os.fsync = die", 1),
    "the second clip is stored": (
        "put, n = store.put_audio, iter([1, 1, 0])\nstore.put_audio = lambda flac: next(n) and put(flac) or die()",
        2,
    ),
    "all is stored, not committed": ("leftovers.finish = die", 3),
}


@pytest.mark.parametrize("is_gone", [False, True])
@pytest.mark.parametrize("moment", KILLED_AT)
def test_what_a_killed_worker_leaves_is_cleaned_by_the_next_run(
    web: Web, talk: str, pipeline: settings.Settings, moment: str, is_gone: bool
) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2", f"{talk}#t=2,4", f"{talk}#t=4,6"])
    before = clips()
    first, n_stored = KILLED_AT[moment]
    assert worker(pipeline, ids.source_id(talk), DIE + first).wait() == -signal.SIGKILL
    assert len(stored()) == n_stored
    assert clips() == before
    assert len(list((pipeline.run / "transcode").iterdir())) == 1
    if is_gone:  # so that what was begun is not simply made again
        web.add("talk.m4a", status=404)
    wait_for(lambda: not sql("select 1 from pg_stat_activity where state = 'idle in transaction'"))
    assert run() == ({"gone": 3} if is_gone else {"ready": 3})
    assert stored() == named()
    assert list((pipeline.run / "transcode").iterdir()) == []
    assert sql("select * from catalog.begun_audio") == []


def test_a_worker_at_work_is_not_robbed(talk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2"])
    put_audio = store.put_audio

    def clear_meanwhile(content: bytes) -> str:
        sha256 = put_audio(content)
        with ThreadPoolExecutor() as pool:
            assert pool.submit(leftovers.clear).result() == pool.submit(workfolder.clear_abandoned).result() == 0
        return sha256

    monkeypatch.setattr(store, "put_audio", clear_meanwhile)
    assert run() == {"ready": 1}
    assert stored() == named() != []


def test_audio_that_another_source_makes_too_is_left_to_it(talk: str) -> None:
    flac, other = b"the same sound", b"another"
    harvest.harvest_batch([f"{talk}#t=0,2"])
    source_id = ids.source_id(talk)
    leftovers.begin(source_id, [store.put_audio(flac), store.put_audio(other)])
    with catalog.connect() as connection:
        catalog.row(connection, "lock_audio", audio_sha256=hashlib.sha256(flac).hexdigest())
        with ThreadPoolExecutor() as pool:
            assert pool.submit(leftovers.clear).result() == 1
    assert stored() == [f"{hashlib.sha256(flac).hexdigest()}.flac"]
    sql(
        "update catalog.clip set state = 'ready', duration_s = 2, audio_sha256 = %s",
        hashlib.sha256(flac).hexdigest(),
    )
    assert leftovers.clear() == 0
    assert stored() == named()
    assert sql("select * from catalog.begun_audio") == []


def test_a_folder_whose_maker_died_at_once_is_removed(pipeline: settings.Settings) -> None:
    assert workfolder.clear_abandoned() == 0
    (pipeline.run / "transcode" / "tmp123").mkdir()
    with workfolder.folder() as inside:
        assert workfolder.clear_abandoned() == 1
        assert inside.exists()
    assert list((pipeline.run / "transcode").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "outcome"),
    [(None, {"ready": 1}), (b"no sound", {"rejected": 1}), ("503", {"failed": 1})],
)
def test_the_original_is_deleted_however_its_source_ends(
    web: Web, talk: str, pipeline: settings.Settings, content: bytes | str | None, outcome: dict[str, int]
) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2"])
    if content == "503":
        web.add("talk.m4a", status=503)
    elif content is not None:
        web.add("talk.m4a", content, content_type="audio/mp4")
    assert run() == outcome
    assert list((pipeline.run / "transcode").iterdir()) == []


def test_a_store_that_fails_half_way_loses_nothing(talk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    harvest.harvest_batch([f"{talk}#t={start},{start + 1}" for start in range(4)])
    put_audio, n_put = store.put_audio, iter(range(99))

    def put_two(content: bytes) -> str:
        if next(n_put) == 2:
            raise OSError("disk full")
        return put_audio(content)

    with monkeypatch.context() as patch:
        patch.setattr(store, "put_audio", put_two)
        with pytest.raises(OSError, match="disk full"):
            run()
    assert set(states().values()) == {"candidate"}
    assert list((settings.current().run / "transcode").iterdir()) == []  # the original too
    assert run() == {"ready": 4}
    assert len(store.paths_below("audio")) == 4


def test_the_ledger_tells_each_try(web: Web, talk: str) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2"])
    content = web.answers["/talk.m4a"][2]
    web.add("talk.m4a", status=503)
    run()
    make_due()
    web.add("talk.m4a", content, content_type="audio/mp4")
    run()
    tries = sql("select * from catalog.clip_attempt order by attempt_id")
    assert [(row["stage"], row["outcome"], row["next_try_at"] is None) for row in tries] == [
        ("harvest", "ok", True),
        ("transcode", "transient", False),
        ("transcode", "ok", True),
    ]
    assert all(row["source_ids"] == [ids.source_id(talk)] for row in tries)


def talking(recording: Recording, name: str, options: tuple[str, ...] = (), source: str = "kitchen.story.m4a") -> Path:
    """One of the sample recordings, in which a voice speaks, encoded otherwise."""
    media = settings.ROOT / "samples" / "media" / source
    path = recording(name, 0.1).with_name(name)
    command = [settings.current().ffmpeg_path, "-nostdin", "-loglevel", "error", "-y", "-i", media, *options, path]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def _defaults(pipeline: settings.Settings, tones_are_taken: None) -> None:
    """The limits as they are for everybody."""
    settings.configure(**pipeline.model_dump())


@pytest.mark.usefixtures("_defaults")
def test_a_talk_without_times_is_cut_at_its_pauses(web: Web, recording: Recording) -> None:
    harvest.harvest_batch([web.add("talk.mp3", talking(recording, "talk.mp3"))])
    assert run()["ready"] >= 2
    timeline = json.loads((settings.ROOT / "samples" / "timeline.json").read_text())
    (sentences,) = (entry["sentences"] for entry in timeline if entry["path"].endswith("kitchen.story.m4a"))
    for clip in clips():
        assert 3 <= clip["duration_s"] <= 15
        assert clip["measures"]["speech_share"] > 0.5
        for edge_s in (clip["audio_start_ms"] / 1000, clip["audio_end_ms"] / 1000):
            assert not any(said["start_s"] + 0.05 < edge_s < said["end_s"] - 0.05 for said in sentences)


@pytest.mark.usefixtures("_defaults")
def test_given_times_are_moved_out_of_speech_and_the_id_is_not(web: Web, recording: Recording) -> None:
    url = web.add("talk.mp3", talking(recording, "talk.mp3"))
    harvest.harvest_batch([f"{url}#t=0.9,12.05"])  # both a little inside of a sentence
    assert run() == {"ready": 1}
    (clip,) = clips()
    assert clip["clip_id"].endswith("-900-12050")
    assert 700 <= clip["audio_start_ms"] < 760
    assert 12_150 <= clip["audio_end_ms"] <= 12_250
    assert clip["duration_s"] == pytest.approx((clip["audio_end_ms"] - clip["audio_start_ms"]) / 1000)


@pytest.mark.usefixtures("_defaults")
def test_a_recording_in_which_nobody_speaks_is_rejected(web: Web, recording: Recording) -> None:
    url = web.add("music.mp3", talking(recording, "music.mp3", source="music_only.mp3"))
    harvest.harvest_batch([f"{url}#t=0,6"])
    assert run() == {"rejected": 1}
    assert clips()[0]["reason"] == "nobody speaks: speech_share 0"
    other = web.add("tone.mp3", recording("tone.mp3", 9))
    harvest.harvest_batch([other])
    assert run() == {"refused_sources": 1}


@pytest.mark.usefixtures("_defaults")
@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"min_loudness_lufs": -10}, r"loudness_lufs -\d+\.?\d* < -10"),
        ({"min_speech_share": 0.99}, r"speech_share 0\.\d+ < 0\.99"),
        ({"max_clipped_share": -1}, r"clipped_share 0 > -1"),
        ({"min_snr_db": 90}, r"snr_db \d+\.?\d* < 90"),
        ({"min_bandwidth_hz": 11_900}, r"bandwidth_hz \d+ < 11900"),
    ],
)
def test_a_limit_of_the_settings_rejects_a_clip_with_its_measure_as_the_reason(
    web: Web, recording: Recording, limit: dict[str, float], reason: str
) -> None:
    harvest.harvest_batch([f"{web.add('talk.mp3', talking(recording, 'talk.mp3'))}#t=0.4,11.9"])
    settings.configure(**settings.current().model_dump() | limit)
    assert run() == {"rejected": 1}
    assert re.fullmatch(reason, clips()[0]["reason"])


def test_a_source_is_levelled_as_one(web: Web, recording: Recording) -> None:
    quiet_then_loud = np.concatenate([chirp(5) / 20, chirp(5)])
    url = web.add("talk.wav", recording("talk.wav", 10, samples=quiet_then_loud), content_type="audio/wav")
    harvest.harvest_batch([f"{url}#t=0,5", f"{url}#t=5,10"])
    assert run() == {"ready": 2}
    quiet, loud = (clip["measures"] for clip in clips())
    assert quiet["gain_db"] == loud["gain_db"] != 0
    assert loud["loudness_lufs"] - quiet["loudness_lufs"] == pytest.approx(26, abs=0.3)
    assert all(clip["measures"]["true_peak_dbtp"] <= -1 for clip in clips())


RE_UPLOADS = {  # the file's name, and what ffmpeg is to do to the original's 32 s
    "later, quieter, at a lower rate": ("again.ogg", ("-ss", "3", "-af", "volume=-6dB", "-ar", "22050")),
    "a part of it": ("again.m4a", ("-ss", "9.37", "-t", "12", "-b:a", "48k")),
    "after an intro": ("again.mp3", ("-af", "adelay=7300:all=1", "-b:a", "64k")),
    "its channels opposed": ("again.flac", ("-af", "pan=stereo|c0=c0|c1=-1*c0")),
}


def two_uploads(web: Web, recording: Recording, how: str = "a part of it") -> tuple[str, str]:
    """Harvest a talk, and then a re-upload of it by another channel; their source ids."""
    name, options = RE_UPLOADS[how]
    urls = [
        web.add("first.m4a", talking(recording, "first.m4a")),
        web.add(name, talking(recording, name, options), content_type="audio/x-any"),
    ]
    for url in urls:
        harvest.harvest_batch([f"{url}#t=4,11"])
    first, again = map(ids.source_id, urls)
    sql("update catalog.source set first_seen_at = now() - interval '1 hour' where source_id = %s", first)
    return first, again


def kept() -> dict[str, str | None]:
    """Why each source's one clip was rejected; None for those that are ready."""
    return {clip["source_id"]: clip["reason"] if clip["state"] == "rejected" else None for clip in clips()}


@pytest.mark.parametrize("is_first_first", [True, False])
@pytest.mark.parametrize("how", RE_UPLOADS)
def test_a_re_upload_is_told_and_the_earlier_source_stays(
    web: Web, recording: Recording, how: str, is_first_first: bool
) -> None:
    first, again = two_uploads(web, recording, how)
    order = [first, again] if is_first_first else [again, first]
    counts = transcode.transcode_batch(order[:1])
    assert counts == {"ready": 1}
    assert transcode.transcode_batch(order[1:]) == ({"rejected": 1} if is_first_first else {"ready": 1, "rejected": 1})
    # Of one recording, one source has clips: what a release takes of it lies in one split.
    assert kept() == {first: None, again: f"duplicate_of: {first}"}
    assert due() == []
    assert stored() == named()  # what the later one had is cleared
    assert sql("select source_id, refusal from catalog.source where refusal is not null") == [
        {"source_id": again, "refusal": f"duplicate_of: {first}"}
    ]


def test_another_talk_is_no_re_upload(web: Web, recording: Recording) -> None:
    names = {"first.m4a": "kitchen.story.m4a", "other.mp3": "long_letter.mp4", "third.mp3": "exam_result.mp4"}
    for name, source in names.items():
        harvest.harvest_batch([f"{web.add(name, talking(recording, name, source=source))}#t=4,12"])
    assert run() == {"ready": 3}


def test_a_re_upload_that_was_annotated_stays(web: Web, recording: Recording) -> None:
    first, again = two_uploads(web, recording)
    transcode.transcode_batch([again])
    agreed([clip["clip_id"] for clip in clips() if clip["state"] == "ready"], n_raters=1)
    assert transcode.transcode_batch([first]) == {"rejected": 1}
    assert kept() == {first: f"duplicate_of: {again}", again: None}


def test_a_re_upload_in_another_workers_hands_is_waited_for(web: Web, recording: Recording) -> None:
    first, again = two_uploads(web, recording)
    transcode.transcode_batch([again])
    with catalog.connect() as connection:
        catalog.row(connection, "lock_source", source_id=again)
        with ThreadPoolExecutor() as pool:
            assert pool.submit(transcode.transcode_batch, [first]).result() == {"busy_sources": 1}
    assert due() == [first]
    assert run() == {"ready": 1, "rejected": 1}
    assert kept() == {first: None, again: f"duplicate_of: {first}"}


def test_the_same_audio_under_two_names_is_one_clip(web: Web, recording: Recording) -> None:
    content = recording("talk.mp3", 3)  # too short for a fingerprint
    for name in ("a", "b"):
        harvest.harvest_batch([f"{web.add(f'{name}.mp3', content)}#t=0,2"])
    assert run() == {"ready": 1, "rejected": 1}
    first, second = clips()
    assert second["reason"] == f"duplicate_of: {first['clip_id']}, the same audio"


def test_clips_of_a_source_that_overlap_by_more_than_half_are_one(talk: str) -> None:
    harvest.harvest_batch([f"{talk}#t={times}" for times in ("0,4", "1.9,6", "6,9", "8,11")])
    assert run() == {"ready": 3, "rejected": 1}
    assert states()["1900-6000"] == "rejected"
    assert "duplicate_of: " in next(clip["reason"] for clip in clips() if clip["state"] == "rejected")
    harvest.harvest_batch([f"{talk}#t=6.5,9"])  # another day
    assert run() == {"rejected": 1}


def test_what_a_file_announced_and_did_not_keep_is_in_the_ledger(web: Web, recording: Recording) -> None:
    whole = recording("talk.flac", 12).read_bytes()
    harvest.harvest_batch([f"{web.add('talk.flac', whole[: len(whole) // 2], content_type='audio/flac')}#t=0,2"])
    assert run() == {"ready": 1}
    message = sql("select message from catalog.clip_attempt where stage = 'transcode'")[0]["message"]
    assert message.startswith("announces 12.0 s, ")


def test_batches_are_planned_by_the_audio_in_them() -> None:
    lengths_s = {"a": 1000.0, "b": 100.0, "c": 100.0, "d": 4000.0, "e": 10.0}
    assert transcode._batches(lengths_s, 1200) == [["a", "b", "c"], ["d"], ["e"]]
    assert len(transcode._batches({str(n): 60.0 for n in range(5000)}, 300)) == 1000


def test_the_log_tells_how_far_a_batch_is(talk: str, caplog: pytest.LogCaptureFixture) -> None:
    harvest.harvest_batch([f"{talk}#t=0,2"])
    caplog.set_level("INFO")
    run()
    assert re.search(r"1 of 1 sources, 1 clips, 0\.00 of about 0\.\d\d h, \d+ × real time, 0:00:00 left", caplog.text)


@pytest.mark.usefixtures("_defaults")
@pytest.mark.parametrize(("suffix", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_source_is_drawn_with_its_cuts(
    web: Web, recording: Recording, tmp_path: Path, suffix: str, magic: bytes
) -> None:
    harvest.harvest_batch([web.add("talk.mp3", talking(recording, "talk.mp3"))])
    run()
    picture = tmp_path / f"source.{suffix}"
    source_plot.save(clips()[0]["clip_id"], picture)
    assert picture.read_bytes().startswith(magic)
    assert list((settings.current().run / "transcode").iterdir()) == []
    with pytest.raises(KeyError):
        source_plot.save("youtube-nowhere-0-1", picture)
