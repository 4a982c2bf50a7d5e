import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Web, sql

from include import faults, harvest, harvest_plan, ids, settings, ytdlp
from include import sources as sources_yaml

Recording = Callable[..., Path]


@pytest.fixture
def web(web: Web, pipeline: settings.Settings) -> Web:
    """A web server, and an empty pipeline to harvest it."""
    return web


def sources() -> list[dict[str, Any]]:
    return sql("select * from catalog.source order by url")


def windows_ms() -> list[tuple[int, int]]:
    return [(row["start_ms"], row["end_ms"]) for row in sql("select start_ms, end_ms from catalog.clip order by 1, 2")]


def ledger() -> list[dict[str, Any]]:
    return sql(
        "select *, extract(epoch from next_try_at - tried_at)::integer as wait_s"
        " from catalog.clip_attempt order by attempt_id"
    )


def n_inputs(counts: dict[str, int]) -> int:
    """How many addresses the counts account for, where each holds one recording at most."""
    return sum(n for name, n in counts.items() if name not in ("new_clips", "to_cut"))


def page(head: str, body: str = "") -> str:
    return f"<!doctype html><html><head><title>A talk</title>{head}</head><body>{body}</body></html>"


def add_video_object(web: Web, **said: Any) -> str:
    """A page that describes a recording as schema.org's VideoObject; its URL."""
    media = web.add("media.mp4", b"\0\0\0\x20ftypisom" + bytes(1000))
    described = {
        "@context": "https://schema.org",
        "@type": "VideoObject",
        "contentUrl": media,
        "name": "A talk",
        **said,
    }
    return web.add("talk", page(f'<script type="application/ld+json">{json.dumps(described)}</script>'))


def feed(*enclosures: str) -> str:
    items = "".join(
        f'<item><title>Part</title><guid>{n}</guid><enclosure url="{url}" type="audio/mpeg"/></item>'
        for n, url in enumerate(enclosures)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Talks</title>{items}</channel></rss>'


def test_a_file_is_a_source_to_be_cut_once_its_length_is_known(web: Web, recording: Recording) -> None:
    names = ("talk.m4a", "talk.mp3", "talk.mp4", "talk.webm")
    urls = [web.add(name, recording(name, 1)) for name in names]
    assert harvest.harvest_batch(urls) == {"new_sources": 4, "to_cut": 4}
    assert [(row["source_id"], row["url"], row["is_to_cut"], row["duration_s"]) for row in sources()] == [
        (ids.source_id(url), url, True, None) for url in urls
    ]
    assert windows_ms() == []


def test_a_page_that_names_its_video_is_one_source(web: Web, recording: Recording) -> None:
    media = web.add("media/talk.mp4", recording("talk.mp4", 2))
    url = web.add("watch", page(f'<meta property="og:video" content="{media}">'))
    assert harvest.harvest_batch([url]) == {"new_sources": 1, "to_cut": 1}
    assert [(row["url"], row["title"]) for row in sources()] == [(url, "A talk")]


def test_each_of_two_videos_on_a_page_is_a_source(web: Web, recording: Recording) -> None:
    media = [web.add(f"media/{name}.mp4", recording("talk.mp4", 1)) for name in ("one", "two")]
    url = web.add("both", page("", "".join(f'<video src="{address}"></video>' for address in media)))
    assert harvest.harvest_batch([url]) == {"new_sources": 2, "to_cut": 2}
    assert [row["url"] for row in sources()] == media
    assert harvest.harvest_batch([url]) == {"known_sources": 2}


def test_a_feeds_entries_are_harvested_each_on_its_own(web: Web, recording: Recording) -> None:
    alive = web.add("one.mp3", recording("one.mp3", 1))
    dead = f"{web.url}/two.mp3"
    url = web.add("feed.rss", feed(alive, dead, "file:///etc/passwd"), content_type="application/rss+xml")
    assert harvest.harvest_batch([url]) == {"lists": 1, "new_sources": 1, "to_cut": 1, "gone": 1, "unsupported": 1}
    assert [row["url"] for row in sources()] == [alive]
    assert [(row["url"], row["outcome"]) for row in ledger()] == [
        (alive, "ok"),
        (dead, "gone"),
        ("file:///etc/passwd", "unsupported"),
        (url, "ok"),
    ]
    assert harvest.harvest_batch([url]) == {"lists": 1, "known_sources": 1, "skipped": 2}
    assert len(ledger()) == 5  # the feed was read again: it may have grown


def test_feeds_that_list_each_other_come_to_an_end(web: Web) -> None:
    one, two = (web.add(name, content_type="application/rss+xml") for name in ("one.rss", "two.rss"))
    web.add("one.rss", feed(two), content_type="application/rss+xml")
    web.add("two.rss", feed(one), content_type="application/rss+xml")
    counts = harvest.harvest_batch([one])
    assert counts["refused"] == 1
    assert len(web.requests) < 10


def test_an_empty_feed_may_fill_later(web: Web) -> None:
    assert harvest.harvest_batch([web.add("feed.rss", feed(), content_type="application/rss+xml")]) == {"transient": 1}


def hls(*, has_end: bool) -> str:
    end = "#EXT-X-ENDLIST\n" if has_end else ""
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:12\n#EXTINF:12.0,\npart.ts\n{end}"


def test_a_stream_in_parts_is_a_source_if_it_has_an_end(web: Web) -> None:
    whole = web.add("whole/talk.m3u8", hls(has_end=True), content_type="application/vnd.apple.mpegurl")
    live = web.add("live/talk.m3u8", hls(has_end=False), content_type="application/vnd.apple.mpegurl")
    assert harvest.harvest_batch([whole, live]) == {"new_sources": 1, "to_cut": 1, "refused": 1}
    assert sources()[0]["duration_s"] == 12
    assert ledger()[-1]["message"] == ytdlp.LIVE


OUTCOMES = {
    404: ("gone", None),
    410: ("gone", None),
    403: ("refused", None),
    451: ("refused", None),
    500: ("transient", 3600),
    503: ("transient", 3600),
    429: ("quota", 3600),  # the last: the site is left alone after it
}


def test_an_http_status_decides_whether_to_ask_again(web: Web) -> None:
    urls = [web.add(f"{status}.mp4", status=status) for status in OUTCOMES]
    assert harvest.harvest_batch(urls) == {"gone": 2, "refused": 2, "quota": 1, "transient": 2}
    said = {row["url"]: row for row in ledger()}
    assert [said[url]["outcome"] for url in urls] == [outcome for outcome, _ in OUTCOMES.values()]
    for url, (_, wait_s) in zip(urls, OUTCOMES.values(), strict=True):
        assert is_jittered(said[url]["wait_s"], wait_s)
    assert all(f"HTTP Error {status}" in row["message"] for status, row in zip(OUTCOMES, ledger(), strict=True))
    n_requests = len(web.requests)
    assert harvest.harvest_batch(urls) == {"skipped": len(urls)}  # what is known is not even put back
    assert (len(web.requests), len(ledger())) == (n_requests, len(urls))


def is_jittered(wait_s: float | None, full_s: float | None) -> bool:
    """Whether a wait is the full one, less up to a quarter."""
    if wait_s is None or full_s is None:
        return wait_s is full_s
    return 0.75 * full_s - 1 <= wait_s <= full_s


def make_due() -> None:
    sql("update catalog.clip_attempt set next_try_at = tried_at where next_try_at is not null")
    sql("update catalog.address set next_try_at = tried_at where next_try_at is not null")
    sql("update catalog.site set open_until = now()")


def test_the_wait_doubles_until_a_try_goes_well(web: Web, recording: Recording) -> None:
    url = web.add("talk.mp4", status=503)
    waits_s = []
    for _ in range(3):
        assert harvest.harvest_batch([url]) == {"transient": 1}
        waits_s.append(ledger()[-1]["wait_s"])
        make_due()
    assert all(map(is_jittered, waits_s, [3600, 7200, 14_400]))
    feed_url = web.add("feed.rss", status=503)
    harvest.harvest_batch([feed_url])
    make_due()
    web.add("feed.rss", feed(web.add("one.mp3", recording("one.mp3", 1))), content_type="application/rss+xml")
    assert harvest.harvest_batch([feed_url])["new_sources"] == 1
    web.add("feed.rss", status=503)
    harvest.harvest_batch([feed_url])
    assert is_jittered(ledger()[-1]["wait_s"], 3600)


def test_the_wait_does_not_grow_without_end(web: Web) -> None:
    url = web.add("talk.mp4", status=503)
    sql(
        "insert into catalog.clip_attempt (stage, url, outcome, next_try_at)"
        " select 'harvest', %s, 'transient', now() from generate_series(1, 2000)",
        url,
    )
    harvest.harvest_batch([url])
    assert is_jittered(ledger()[-1]["wait_s"], settings.current().retry_cap_s)


def test_a_server_that_is_down_is_asked_again_later(web: Web) -> None:
    url = f"{web.url}/talk.mp4"
    web.server.server_close()
    assert harvest.harvest_batch([url]) == {"transient": 1}


def test_a_page_without_a_recording_is_unsupported(web: Web) -> None:
    assert harvest.harvest_batch([web.add("about", page("", "<p>About us"))]) == {"unsupported": 1}
    assert ledger()[0]["next_try_at"] is None


@pytest.mark.usefixtures("pipeline")
def test_what_is_no_address_is_recorded_as_it_came() -> None:
    nonsense = ["file:///etc/passwd", "talk", "", "http://\0\ud800/", "http://a.example/" + "x" * 5000]
    assert harvest.harvest_batch(nonsense) == {"unsupported": 5}
    assert [row["url"][:20] for row in ledger()] == [
        "file:///etc/passwd",
        "talk",
        "",
        "http://\ufffd\ufffd/",
        "http://a.example/xxx",
    ]
    assert harvest.harvest_batch(nonsense) == {"skipped": 5}


@pytest.mark.usefixtures("pipeline")
def test_a_password_does_not_reach_the_ledger() -> None:
    assert harvest.harvest_batch(["http://me:secret@a.example/talk.mp4"]) == {"unsupported": 1}
    assert "secret" not in str(ledger())


def test_a_stretch_that_can_be_no_clip_is_refused_without_asking(web: Web) -> None:
    reasons = {"0,31": "over 30 s", "9,4": "not after its start", "-3,4": "before its source"}
    urls = [f"{web.url}/talk.mp4#t={times}" for times in reasons]
    assert harvest.harvest_batch(urls) == {"refused": 3}
    for url, reason, row in zip(urls, reasons.values(), ledger(), strict=True):
        assert (row["url"], row["outcome"]) == (url, "refused")
        assert reason in row["message"]
    assert harvest.harvest_batch(urls) == {"skipped": 3}
    assert web.requests == []


def test_stretches_of_one_recording_are_one_request(web: Web, recording: Recording) -> None:
    url = web.add("talk.mp4", recording("talk.mp4", 1))
    wanted = [f"{url}#t=0.1,10", f"{url}#t=10,12.5", f"{url}#t=0,40"]
    assert harvest.harvest_batch(wanted) == {"new_sources": 1, "new_clips": 2, "refused": 1}
    assert windows_ms() == [(100, 10_000), (10_000, 12_500)]
    assert not sources()[0]["is_to_cut"]
    assert len(web.requests) == 1


def test_the_same_again_adds_nothing_and_asks_nothing(web: Web, recording: Recording) -> None:
    urls = [
        web.add("talk.mp4", recording("talk.mp4", 1)),
        web.add("part.mp4", recording("talk.mp4", 1)) + "#t=0,1",
        add_video_object(web, duration="PT45S"),
    ]
    first = harvest.harvest_batch(urls)
    assert first == {"new_sources": 3, "to_cut": 2, "new_clips": 1}
    before = (sources(), windows_ms(), ledger(), len(web.requests))
    assert harvest.harvest_batch(urls) == {"known_sources": 3}
    assert (sources(), windows_ms(), ledger(), len(web.requests)) == before


def test_a_known_recording_gets_further_clips(web: Web, recording: Recording) -> None:
    url = web.add("talk.mp4", recording("talk.mp4", 1))
    harvest.harvest_batch([f"{url}#t=0,1"])
    assert harvest.harvest_batch([f"{url}#t=1,2", f"{url}#t=0,1"]) == {"known_sources": 1, "new_clips": 1}
    assert harvest.harvest_batch([url]) == {"known_sources": 1, "to_cut": 1}
    assert len(web.requests) == 1


def test_a_known_length_is_cut_when_decoded_and_only_once(web: Web) -> None:
    url = add_video_object(web, duration="PT33S")
    assert harvest.harvest_batch([url]) == {"new_sources": 1, "to_cut": 1}
    assert (sources()[0]["url"], sources()[0]["duration_s"], windows_ms()) == (url, 33, [])
    sql("update catalog.source set is_cut = true, is_to_cut = false")  # as decoding leaves it
    assert harvest.harvest_batch([url]) == {"known_sources": 1}
    assert not sources()[0]["is_to_cut"]


def test_a_recording_known_to_be_too_short_is_refused(web: Web) -> None:
    settings.configure(**settings.current().model_dump() | {"clip_min_s": 5.0})
    url = add_video_object(web, duration="PT3S")
    harvest.harvest_batch([url])
    assert sources()[0]["refusal"] == "only 3.00 s long"


@pytest.mark.parametrize(
    ("title", "is_kept"),
    [
        ("Ring me on +44 20 7946 0958", False),
        ("Ada | 555-123-4567", False),
        ("Write to ada@example.org", False),
        ("Episode 123 (2023): a talk", True),
        ("News of 2023-11-24", True),
        ("1914-1918, part 12", True),
    ],
)
def test_a_title_that_looks_personal_is_not_kept_for_releases(web: Web, title: str, is_kept: bool) -> None:
    harvest.harvest_batch([add_video_object(web, name=title)])
    assert sources()[0]["title"] == (title if is_kept else None)


def test_hostile_metadata_is_made_harmless(web: Web) -> None:
    said = {"name": "nul\0 half \ud800 <b>", "duration": "P99999999DT5S", "description": "\0", "author": ["\udfff"]}
    url = add_video_object(web, **said)
    assert harvest.harvest_batch([url]) == {"new_sources": 1, "to_cut": 1}
    assert sources()[0]["title"] == "nul half ? <b>"


@pytest.mark.parametrize(
    ("duration_s", "n_clips", "longest_ms"),
    [(0.5, 0, 0), (1, 1, 1000), (14.9, 1, 14_900), (15.1, 2, 7550), (60, 6, 10_000), (1e9, 20, 10_000)],
)
def test_a_source_is_cut_into_equal_stretches_that_meet(duration_s: float, n_clips: int, longest_ms: int) -> None:
    windows = harvest.cut_windows(duration_s)
    assert len(windows) == n_clips
    assert max((end - start for start, end in windows), default=0) == longest_ms
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]


@pytest.mark.parametrize("duration_s", [29.9999, 37, 59.9999, 61.2345])
def test_no_cut_is_longer_than_a_clip_may_be(duration_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_current", settings.Settings(clip_target_s=28.0))
    for window in harvest.cut_windows(duration_s):
        ids.check_window(*window)


def test_a_dry_run_reads_and_writes_nothing(web: Web, recording: Recording) -> None:
    good = web.add("talk.mp4", recording("talk.mp4", 1))
    urls = [good, f"{web.url}/gone.mp3", "nonsense", web.add("feed.rss", feed(good), content_type="text/xml")]
    assert harvest.harvest_batch(urls, dry_run=True) == {"new_sources": 2, "gone": 1, "unsupported": 1, "lists": 1}
    assert (sources(), ledger()) == ([], [])


def test_one_bad_address_never_stops_its_batch_and_each_is_counted(
    web: Web, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [web.add(f"{n}.mp4", recording("talk.mp4", 1)) for n in range(3)]
    buggy = web.add("buggy.mp4", recording("talk.mp4", 1))
    bad = [
        f"{web.url}/gone.mp3",
        web.add("down.mp3", status=503),
        web.add("closed.mp3", status=403),
        web.add("about", page("")),
        web.add("empty.mp3"),
        "nonsense",
        f"{good[0]}#t=5,1",
    ]
    extract = ytdlp.extract

    def extract_with_a_bug(url: str, *options: Any) -> Any:
        if url == buggy:
            raise faults.classify(KeyError("formats"))
        return extract(url, *options)

    monkeypatch.setattr(ytdlp, "extract", extract_with_a_bug)
    busy = web.add("busy.mp3", status=429)
    counts = harvest.harvest_batch([bad[0], good[0], *bad[1:4], buggy, good[1], *bad[4:], good[2], busy])
    bad.append(busy)
    assert n_inputs(counts) == len(good) + len(bad) + 1
    assert counts["new_sources"] >= len(good)
    assert counts["broken"] >= 1
    assert len(ledger()) == len(good) + len(bad) + 1


def test_batches_keep_a_recording_together_and_obey_the_limit() -> None:
    one = ["https://youtu.be/aaaaaaaaaaa#t=1,2", "https://www.youtube.com/watch?v=aaaaaaaaaaa#t=3,4"]
    urls = [one[0], "http://b.example/x", one[1], "http://c.example/x", "nonsense"]
    assert harvest_plan.plan_batches(urls, batch_size=2, dry_run=True) == [
        {"urls": one, "dry_run": True},
        {"urls": ["http://b.example/x", "http://c.example/x"], "dry_run": True},
        {"urls": ["nonsense"], "dry_run": True},
    ]
    assert harvest_plan.plan_batches(urls, limit=1) == [{"urls": one, "dry_run": False}]
    assert len(harvest_plan.plan_batches([f"http://a.example/{n}" for n in range(2500)], batch_size=1)) <= 1000


def test_no_batch_of_a_site_with_a_pool_of_its_own_asks_another() -> None:
    settings.configure(harvest_sites=["youtube", "b.example"])
    urls = [f"https://{host}/{n}" for n in range(3) for host in ("a.example", "b.example", "c.example", "youtu.be")]
    batches = harvest_plan.plan_batches([*urls, "ytsearch2:talk"], batch_size=2)
    hosts = [sorted({url.split("/")[2] for url in batch["urls"] if "//" in url}) for batch in batches]
    by_site = {site: harvest_plan.of_site(batches, site) for site in ("youtube", "b.example", None)}
    settings.configure()
    assert ["b.example"] in hosts
    assert not any("b.example" in found and len(found) > 1 for found in hosts)
    assert {site: sum(len(batch["urls"]) for batch in found) for site, found in by_site.items()} == {
        "youtube": 4,
        "b.example": 3,
        None: 6,
    }


@pytest.mark.usefixtures("pipeline")
def test_configured_addresses_are_checked_for_their_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = tmp_path / "sources.yaml"
    monkeypatch.setattr(sources_yaml, "SOURCES", configured)
    configured.write_text("urls: [http://a.example/x]")
    assert harvest_plan.plan_batches() == [{"urls": ["http://a.example/x"], "dry_run": False}]
    for content in ("", "urls: http://a.example/x", "urls: [1]", "- http://a.example/x"):
        configured.write_text(content)
        with pytest.raises(ValueError, match=r"sources\.yaml"):
            sources_yaml.read()


@pytest.mark.parametrize(
    ("message", "fault_class", "said"),
    [
        ("ERROR: \n", "broken", "Exception"),
        ("", "broken", "Exception"),
        ("\x1b[0;31mERROR:\x1b[0m [youtube] x: Private video. Sign in\nmore", "gone", "x: Private video. Sign in"),
        ("ERROR: [generic] talk-429: no idea", "broken", "talk-429: no idea"),
        ("ERROR: Sign in to confirm you're not a bot", "quota", "Sign in to confirm you're not a bot"),
        ("ERROR: Downloaded 5 bytes, expected 9 bytes", "transient", "Downloaded 5 bytes, expected 9 bytes"),
        ("ERROR: This video is DRM protected", "refused", "This video is DRM protected"),
    ],
)
def test_wording_decides_only_where_nothing_else_does(message: str, fault_class: str, said: str) -> None:
    fault = faults.classify(Exception(message))
    assert (fault.fault_class, str(fault)) == (fault_class, said)


def test_a_fault_is_reported_once(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        harvest.harvest_batch([f"{web.url}/gone.mp3"])
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_plugins_that_lie_on_the_path_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    from yt_dlp import globals as ytdlp_globals

    harvest.harvest_batch([f"{web.url}/gone.mp3"])
    assert ytdlp_globals.plugin_dirs.value == []
