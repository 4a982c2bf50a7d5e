"""What yt-dlp raises and what it keeps quiet about, by the real yt-dlp; and that nothing gets lost on the way."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Web, chirp, sql

from include import harvest, harvest_plan, settings, transcode, ytdlp
from include.faults import Fault
from include.settings import ROOT, process_environment

TUBE = "https://faketube.test"

pytestmark = pytest.mark.usefixtures("tones_are_taken")


@pytest.fixture
def tube(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that no network has: its extractor raises whatever the id of a video says."""
    from yt_dlp.extractor.common import InfoExtractor
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import ExtractorError, UserNotLive

    class Answer:
        url, reason, headers = TUBE, "", {}

        def __init__(self, status: int) -> None:
            self.status = status

        def close(self) -> None:
            pass

    class FakeTubeIE(InfoExtractor):
        _VALID_URL = r"https?://faketube\.test/(?P<id>[\w-]+)"

        def _real_extract(self, url: str) -> dict[str, Any]:
            name = self._match_id(url)
            if name == "list":
                names = ["good1", "removed", "bug", "geo", "good2"]
                return self.playlist_result([self.url_result(f"{TUBE}/{n}", FakeTubeIE, n) for n in names], name)
            match name:
                case "removed":
                    raise ExtractorError("This video has been removed by the uploader", expected=True)
                case "private":
                    raise ExtractorError("Private video. Sign in if you've been granted access", expected=True)
                case "terminated":
                    raise ExtractorError("The account associated with it has been terminated", expected=True)
                case "geo":
                    self.raise_geo_restricted(countries=["AT"])
                case "age":
                    raise ExtractorError("Sign in to confirm your age", expected=True)
                case "drm":
                    self.report_drm(name)
                case "members":
                    raise ExtractorError("Join this channel to get access to members-only content", expected=True)
                case "live":
                    raise UserNotLive(video_id=name)
                case "bot":
                    raise ExtractorError("Sign in to confirm you\u2019re not a bot", expected=True)
                case "login":
                    self.raise_login_required()
                case "bug":
                    raise KeyError("streamingData")
                case "moved":
                    raise ExtractorError("Unable to extract player version")
                case "network":
                    raise ExtractorError("Unable to download page", cause=TransportError("reset"))
                case "noformats":
                    self.raise_no_formats("No video formats found", expected=True)
                case _ if name.startswith("http"):
                    raise ExtractorError("Unable to download page", cause=HTTPError(Answer(int(name[4:]))))
            return {"id": name, "title": name, "duration": 20, "url": f"{TUBE}/media/{name}.mp3", "ext": "mp3"}

    guarded = ytdlp._guarded_class()

    class WithFakeTube(guarded):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.add_info_extractor(FakeTubeIE())
            self._ies = {"FakeTube": self._ies.pop("FakeTube"), **self._ies}

    monkeypatch.setattr(ytdlp, "_guarded_class", lambda: WithFakeTube)


CLASSES = {
    "removed": "gone", "private": "gone", "terminated": "gone", "http404": "gone", "http410": "gone",
    "geo": "refused", "age": "refused", "drm": "refused", "members": "refused", "login": "refused", "live": "refused",
    "http403": "refused", "http451": "refused",
    "bot": "quota", "http429": "quota",
    "network": "transient", "http500": "transient", "http503": "transient",
    "bug": "broken", "moved": "broken", "noformats": "broken",
}  # fmt: skip


@pytest.mark.usefixtures("tube")
@pytest.mark.parametrize("name", CLASSES)
def test_each_fault_of_an_extractor_has_its_class(name: str) -> None:
    assert harvest.harvest_batch([f"{TUBE}/{name}"]) == {CLASSES[name]: 1}
    [row] = sql("select * from catalog.clip_attempt")
    assert (row["next_try_at"] is not None) == (CLASSES[name] in ("quota", "transient"))
    assert row["message"]


@pytest.mark.usefixtures("tube")
def test_dead_entries_never_end_a_playlist() -> None:
    counts = harvest.harvest_batch([f"{TUBE}/list"])
    assert counts == {"lists": 1, "new_sources": 2, "to_cut": 2, "gone": 1, "broken": 1, "refused": 1}


def hls(*parts: str) -> str:
    lines = "".join(f"#EXTINF:2.0,\n{part}\n" for part in parts)
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n{lines}#EXT-X-ENDLIST\n"


@pytest.mark.usefixtures("pipeline")
def test_a_download_that_yt_dlp_calls_a_success_is_looked_at(web: Web, recording, tmp_path: Path) -> None:
    """Too large, empty, cut short: yt-dlp returns as if all were well, or with an error that has no cause."""
    settings.configure(**settings.current().model_dump() | {"max_download_bytes": 5000})
    large = web.add("large.m4a", recording("talk.m4a", 10))
    short = web.add("short.mp4", b"\0\0\0\x20ftypisom" + bytes(900), content_type="video/mp4")
    web.drops_after["/short.mp4"] = 100
    holed = web.add("holed.m3u8", hls("one.ts", "two.ts"), content_type="application/vnd.apple.mpegurl")
    web.add("one.ts", b"\x47" * 188)
    for url, fault_class in ((large, "refused"), (short, "transient"), (holed, "transient")):
        folder = tmp_path / fault_class / url[-9:]
        folder.mkdir(parents=True)
        with pytest.raises(Fault) as raised:
            ytdlp.download(url, folder)
        assert (url, raised.value.fault_class) == (url, fault_class), str(raised.value)


@pytest.mark.usefixtures("pipeline")
def test_two_files_of_one_base_name_are_two_sources(web: Web, recording) -> None:
    media = [recording("talk.mp3", 2), recording("backwards.mp3", 2, samples=chirp(2)[::-1])]
    urls = [web.add(name, path) for name, path in zip(("talk.mp3", "other/talk.mp3"), media, strict=True)]
    assert harvest.harvest_batch([f"{url}#t=0,1" for url in urls]) == {"new_sources": 2, "new_clips": 2}
    assert transcode.transcode_batch(transcode.plan_batches()[0]) == {"ready": 2}


@pytest.mark.usefixtures("pipeline")
def test_two_stretches_of_one_recording_are_two_files_though_the_server_knows_no_ranges(web: Web, recording) -> None:
    url = web.add("talk.mp4", recording("talk.mp4", 5))
    harvest.harvest_batch([f"{url}#t=0,2", f"{url}#t=2,4", f"{url}#t=40,45"])
    assert transcode.transcode_batch(transcode.plan_batches()[0]) == {"ready": 2, "rejected": 1}
    assert sql("select count(distinct audio_sha256) as n from catalog.clip")[0]["n"] == 2


MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT12S">
<Period><AdaptationSet mimeType="audio/mp4" contentType="audio"><Representation id="a" bandwidth="64000"
codecs="mp4a.40.2"><BaseURL>talk.m4a</BaseURL></Representation></AdaptationSet></Period></MPD>"""


def every_kind(web: Web, media: Path) -> list[str]:
    """Addresses of a site with every fault in it, but one that closes it."""
    good = [web.add(f"good{n}.mp3", media) + "#t=0,1" for n in range(3)]
    described = {
        "@context": "https://schema.org",
        "@type": "VideoObject",
        "contentUrl": good[0][:-6],
        "duration": "PT9S",
    }
    statuses = [web.add(f"status{status}.mp4", status=status) for status in (403, 404, 410, 451, 500, 503)]
    cut_off = web.add("cut_off", "<html>" + "x" * 5000)
    web.drops_after["/cut_off"] = 2000
    inward = web.add("inward.mp4", status=302)
    web.headers["/inward.mp4"] = {"Location": "http://127.0.0.2/"}
    items = "".join(
        f"<item><title>p</title><guid>{n}</guid><enclosure url='{url}' type='audio/mpeg'/></item>"
        for n, url in enumerate((web.add("part.mp3", media), f"{web.url}/dead.mp3"))
    )
    return [
        *good,
        *statuses,
        cut_off,
        inward,
        web.add("talk", f"<script type='application/ld+json'>{json.dumps(described)}</script>") + "#t=2,20",
        web.add("about", "<html><body>About us</body></html>"),
        web.add("empty.mp3"),
        web.add("feed.rss", f"<rss version='2.0'><channel>{items}</channel></rss>", content_type="text/xml"),
        web.add("whole.m3u8", hls("one.ts"), content_type="application/vnd.apple.mpegurl"),
        good[1].replace("0,1", "1,40"),
        "file:///etc/passwd",
        "nonsense",
    ]  # fmt: skip


def outcomes() -> dict[str, str]:
    """What became of each address: accepted, waiting (with a time), or refused (with a reason)."""
    said = {}
    for row in sql("select * from catalog.address"):
        if row["outcome"] == "ok":
            said[row["url"]] = "accepted"
        elif row["next_try_at"] is not None:
            said[row["url"]] = "waiting"
        else:
            assert row["message"], row
            said[row["url"]] = "refused"
    return said


def every_download_fault(web: Web, recording) -> list[str]:
    """Addresses whose metadata is good, and whose recording is not: too large, short, damaged, cut off, in parts."""
    media = recording("whole.m4a", 4).read_bytes()
    holed = bytearray(media)
    holed[len(media) // 2 : len(media) // 2 + 600] = bytes(600)
    large = web.add("large.m4a", media * 30)
    dropped = web.add("dropped.m4a", media)
    web.drops_after["/dropped.m4a"] = 2000
    drip = web.add("drip.m4a", media)
    web.drips["/drip.m4a"] = 0.05
    return [
        large,
        dropped,
        drip,
        web.add("short.m4a", media[: len(media) // 3]),
        web.add("holed.m4a", bytes(holed)),
        web.add("silent.mp3", recording("silent.mp3", 2, samples=np.zeros(48_000))),
        web.add("parts.m3u8", hls("one.ts", "two.ts"), content_type="application/vnd.apple.mpegurl"),
        web.add("parts.mpd", MPD.replace("talk.m4a", "none.m4a"), content_type="application/dash+xml"),
    ]


def every_other_kind(web: Web, recording) -> list[str]:
    """What every_kind() lacks, since a harvest that is killed twenty times has no time for it."""
    web.add("talk.m4a", recording("talk.m4a", 12))
    video = web.add("talk.webm", recording("talk.webm", 2))
    media = web.add("other.mp4", recording("other.mp4", 2, samples=chirp(2)[::-1]))
    web.drips |= {"/hangs": 30, "/slow": 0.05}
    for name, target in (("inside", "127.0.0.1:1"), ("cloud", "169.254.169.254/latest/meta-data")):
        web.add(f"{name}.mp4", status=302)
        web.headers[f"/{name}.mp4"] = {"Location": f"http://{target}"}
    return [
        video,
        web.add("talk.mpd", MPD, content_type="application/dash+xml") + "#t=1,3",
        web.add("og", f"<html><head><title>t</title><meta property='og:video' content='{media}'></head></html>"),
        web.add("two", f"<html><title>t</title><video src='{video}'></video><video src='{media}'></video></html>"),
        web.add("hangs", "<html>" + "x" * 2000),
        web.add("slow", "<html>" + "x" * 2000),
        f"{web.url}/inside.mp4",
        f"{web.url}/cloud.mp4",
    ]


def made() -> dict[str, str]:
    """What became of each clip, and of each source without: accepted, waiting (with a time), refused (with a reason).

    Nothing becomes of a source of which no more was asked than a stretch past its end, which was refused.
    """
    said = {}
    for row in sql(
        "select clip_id as id, state, reason, retry_at from catalog.clip union all"
        " select source_id, case when refusal is not null then 'refused' else 'failed' end, refusal, retry_at"
        " from catalog.source where not exists (select from catalog.clip where clip.source_id = source.source_id)"
        " and not exists"
        " (select from catalog.address where outcome = 'refused' and starts_with(url, source.url || '#t='))"
    ):
        assert row["state"] in ("ready", "failed", "rejected", "gone", "refused"), row
        assert row["state"] != "failed" or row["retry_at"], row
        assert row["state"] in ("ready", "failed") or row["reason"], row
        said[row["id"]] = {"ready": "accepted", "failed": "waiting"}.get(row["state"], "refused")
    return said


def n_by_end(said: dict[str, str]) -> dict[str, int]:
    return {end: list(said.values()).count(end) for end in ("accepted", "waiting", "refused")}


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2", "169.254.169.254"])
def test_each_input_of_a_faulty_site_is_accounted_for(web: Web, pipeline: settings.Settings, recording) -> None:
    """The server knows no ranges. Only its own port may be harvested."""
    limits = {
        "egress_allowed_hosts": [web.url.removeprefix("http://")],
        "download_timeout_s": 0.5,
        "metadata_timeout_s": 2.0,
        "max_download_s": 2.0,
        "max_download_bytes": 500_000,
    }
    settings.configure(**settings.current().model_dump() | limits)
    given = [
        *every_kind(web, recording("talk.mp3", 2)),
        *every_other_kind(web, recording),
        *every_download_fault(web, recording),
    ]
    busy = web.add("busy.mp4", status=429)
    later = web.add("later.mp3", recording("talk.mp3", 2))
    counts: dict[str, int] = {}
    for batch in harvest_plan.plan_batches([*given, busy, later], batch_size=100):
        counts = harvest.harvest_batch(**batch)
    said = outcomes()
    for address in [*given, busy, later]:
        url = address.partition("#")[0]
        assert url in said or address in said, address
    assert f"{web.url}/dead.mp3" in said
    for name in ("inside.mp4", "cloud.mp4", "inward.mp4"):
        assert (
            "no public address"
            in sql("select message from catalog.address where url = %s", f"{web.url}/{name}")[0]["message"]
        )
    assert {name: counts[name] for name in ("quota", "waiting", "lists")} == {"quota": 1, "waiting": 1, "lists": 1}
    ends = n_by_end(said)
    assert sum(ends.values()) == len(said)
    assert ends["refused"] == sum(counts.get(name, 0) for name in ("gone", "refused", "unsupported", "broken"))
    assert ends["waiting"] == counts["transient"] + counts["quota"] + counts["waiting"]

    sql("update catalog.site set open_until = now()")
    n_sources = sql("select count(*) as n from catalog.source")[0]["n"]
    done: Counter[str] = Counter()
    for ids in transcode.plan_batches():
        done.update(transcode.transcode_batch(ids))
    downloads = n_by_end(made())
    assert downloads["accepted"] == done["ready"] >= 5
    assert downloads["waiting"] == done["failed"] + done["failed_sources"] > 0
    assert sum(downloads.values()) >= n_sources - 1  # of one page a stretch past the end was asked, and no more
    assert done["busy_sources"] == done["waiting_sources"] == 0
    ended = {row["url"][len(web.url) + 1 :]: row["outcome"] for row in sql(
        "select distinct on (url) url, outcome from catalog.clip_attempt where stage = 'transcode'"
        " order by url, attempt_id desc"
    )}  # fmt: skip
    expected = {"large.m4a": "refused", "dropped.m4a": "transient", "drip.m4a": "transient", "parts.mpd": "gone"}
    assert expected.items() <= ended.items(), ended


def options_of_a_download(folder: Path) -> dict[str, Any]:
    return {"quiet": True, "no_warnings": True, "outtmpl": {"default": str(folder / "raw.%(ext)s")}}


@pytest.mark.usefixtures("pipeline")
def test_a_file_over_the_limit_is_refused_where_yt_dlp_skips_it_without_a_word(
    web: Web, recording, tmp_path: Path
) -> None:
    import yt_dlp

    url = web.add("talk.m4a", recording("talk.m4a", 10))
    folder = tmp_path / "raw"
    with yt_dlp.YoutubeDL({**options_of_a_download(folder), "max_filesize": 5000}) as client:
        assert client.extract_info(url)["id"] == "talk"
        assert client._download_retcode == 0
    assert list(folder.glob("*")) == []
    settings.configure(**settings.current().model_dump() | {"max_download_bytes": 5000})
    folder.mkdir(exist_ok=True)
    with pytest.raises(Fault, match="over 5000 bytes") as raised:
        ytdlp.download(url, folder)
    assert raised.value.fault_class == "refused"


@pytest.mark.usefixtures("pipeline")
def test_what_the_filter_turns_away_is_refused_where_yt_dlp_skips_it_without_a_word(web: Web, tmp_path: Path) -> None:
    import yt_dlp

    live = hls("one.ts").replace("#EXT-X-ENDLIST\n", "")
    url = web.add("live.m3u8", live, content_type="application/vnd.apple.mpegurl")
    folder = tmp_path / "raw"
    folder.mkdir()
    options = {**options_of_a_download(folder), "match_filter": lambda info, **_: "live"}
    with yt_dlp.YoutubeDL(options) as client:
        assert client.extract_info(url)["id"] == "live"
        assert client._download_retcode == 0
    assert list(folder.glob("*")) == []
    with pytest.raises(Fault, match=ytdlp.LIVE) as raised:
        ytdlp.download(url, folder)
    assert raised.value.fault_class == "refused"
    assert "/one.ts" not in web.requests


@pytest.mark.usefixtures("pipeline")
def test_a_page_may_mix_recordings_that_are_kept_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each for its own reason; the page itself was read well."""
    page = "https://talks.example/all"
    found = {"good": {}, "adult": {"age_limit": 18}, "live": {"is_live": True}, "long": {"duration": 1e5}}
    recordings = [
        {"webpage_url": f"https://talks.example/{name}", "extractor_key": "Talks", "id": name, **said}
        for name, said in found.items()
    ]
    monkeypatch.setattr(ytdlp, "extract", lambda url, *_: (recordings, []))
    assert harvest.harvest_batch([f"{page}#t=0,5"]) == {"new_sources": 1, "new_clips": 1, "refused": 3}
    reasons = {row["url"]: row["message"] for row in sql("select url, message from catalog.address")}
    assert reasons.pop(page) is None
    assert reasons == {
        "https://talks.example/adult": "for an age of 18 and above",
        "https://talks.example/live": ytdlp.LIVE,
        "https://talks.example/long": "100000 s long, not 1 to 14400 s",
    }
    assert [row["source_id"] for row in sql("select source_id from catalog.source")] == ["talks:good"]


KILLED = """
import json, sys
from include import harvest, settings
settings.configure(**json.loads(sys.argv[1]))
print("ready", flush=True)
print(harvest.harvest_batch(json.loads(sys.argv[2])))
"""


def rows() -> list[Any]:
    """All that a harvest left, without times of day and ids that count tries.

    A list is read anew by each run, since it may have grown, and each reading is a try in the ledger: how many there
    were hangs on the kills. Anything else is tried once.
    """
    return [
        sql("select source_id, url, title, duration_s, is_to_cut, is_cut, info from catalog.source order by 1"),
        sql("select clip_id, source_id, start_ms, end_ms, state, reason from catalog.clip order by 1"),
        sql("select url, outcome, message, given from catalog.address order by 1"),
        sql(
            "select url, outcome, message, source_ids,"
            " case when outcome <> 'ok' or source_ids <> '{}' then count(*) end as n_tries"
            " from catalog.clip_attempt group by 1, 2, 3, 4 order by 1, 2"
        ),
    ]


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
def test_a_harvest_killed_twenty_times_leaves_the_same_rows(web: Web, pipeline: settings.Settings, recording) -> None:
    given = every_kind(web, recording("talk.mp3", 2))
    given += [web.add(f"more{n}.mp3", recording("talk.mp3", 2)) + "#t=0,1" for n in range(10)]
    chance = random.Random(3)
    keep = {"catalog_url", "store_url", "run", *settings.LOOPBACK_SITES}
    configured = json.dumps(pipeline.model_dump(mode="json", include=keep))
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, configured, json.dumps(given)],
            env=process_environment(PYTHONPATH=str(ROOT)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 1.2))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    harvest.harvest_batch(given)
    after_kills = rows()
    for table in ("clip", "source", "address", "clip_attempt"):
        sql(f"truncate catalog.{table} cascade")
    harvest.harvest_batch(given)
    assert rows() == after_kills


@pytest.mark.usefixtures("pipeline")
def test_a_server_that_hangs_is_tried_again_later(web: Web) -> None:
    settings.configure(**settings.current().model_dump() | {"download_timeout_s": 0.3})
    url = web.add("talk.mp4", b"\0" * 100)
    web.is_open.clear()
    assert harvest.harvest_batch([url]) == {"transient": 1}
    web.is_open.set()


@pytest.mark.usefixtures("pipeline")
def test_a_dash_manifest_is_a_source_and_its_audio_comes_down(web: Web, recording) -> None:
    web.add("talk.m4a", recording("talk.m4a", 12))
    url = web.add("talk.mpd", MPD, content_type="application/dash+xml")
    assert harvest.harvest_batch([f"{url}#t=1,3"]) == {"new_sources": 1, "new_clips": 1}
    assert transcode.transcode_batch(transcode.plan_batches()[0]) == {"ready": 1}
