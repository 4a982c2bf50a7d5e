"""What strangers' addresses can't reach, each tried with the real yt-dlp."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from conftest import Web, serving_web, sql

from include import egress, harvest, settings, ytdlp
from include.faults import Fault

HLS = "application/vnd.apple.mpegurl"


@pytest.fixture
def inner() -> Iterator[Web]:
    """A second server of this machine that no harvest may reach."""
    with serving_web() as found:
        yield found


@pytest.fixture
def outer(web: Web, pipeline: settings.Settings) -> Web:
    """The one server that may be harvested, by its port."""
    host = web.url.removeprefix("http://")
    settings.configure(**pipeline.model_dump() | {"egress_allowed_hosts": [host]})
    return web


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("127.8.9.10", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("localhost", False),
    ],
)
def test_only_addresses_of_the_public_internet_are_public(host: str, is_public: bool) -> None:
    assert egress.is_public(host) is is_public


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_this_machine_is_not_followed(outer: Web, inner: Web, status: int) -> None:
    url = outer.add("talk.mp4", status=status)
    outer.headers["/talk.mp4"] = {"Location": inner.add("secret.mp4", b"x" * 1000)}
    assert harvest.harvest_batch([url]) == {"refused": 1}
    assert "127.0.0.1 is no public address" in sql("select message from catalog.clip_attempt")[0]["message"]
    assert inner.requests == []


@pytest.mark.allow_hosts(["127.0.0.1", "169.254.169.254"])
def test_a_redirect_to_the_metadata_service_is_not_followed(outer: Web) -> None:
    url = outer.add("talk.mp4", status=302)
    outer.headers["/talk.mp4"] = {"Location": "http://169.254.169.254/latest/meta-data/"}
    assert harvest.harvest_batch([url]) == {"refused": 1}
    assert "169.254.169.254 is no public address" in sql("select message from catalog.clip_attempt")[0]["message"]


def test_a_name_that_resolves_to_this_machine_is_not_asked(
    outer: Web, inner: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: resolve("127.0.0.1" if "." in host else host, *rest, **more)
    )
    port = inner.server.server_port
    assert harvest.harvest_batch([f"http://talks.example:{port}/talk.mp4"]) == {"refused": 1}
    assert inner.requests == []


def test_a_page_playlist_and_manifest_lead_nowhere_forbidden(outer: Web, inner: Web, tmp_path: Path) -> None:
    secret = inner.add("secret.ts", b"\x47" * 188 * 10)
    page = outer.add("page", f"<html><head><title>t</title></head><video src='{secret}'></video></html>")
    feed = outer.add(
        "feed.rss",
        f"<rss version='2.0'><channel><title>t</title><item><title>p</title><guid>1</guid>"
        f"<enclosure url='{secret}' type='audio/mpeg'/></item></channel></rss>",
        content_type="application/rss+xml",
    )
    hls = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9.0,\n{secret}\n#EXT-X-ENDLIST\n"
    playlist = outer.add("talk.m3u8", hls, content_type=HLS)
    mpd = (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S"><Period>'
        '<AdaptationSet mimeType="audio/mp4" contentType="audio"><Representation id="a" bandwidth="64000"'
        f' codecs="mp4a.40.2"><BaseURL>{secret}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    )
    dash = outer.add("talk.mpd", mpd, content_type="application/dash+xml")
    counts = harvest.harvest_batch([page, feed, playlist, dash])
    assert counts["refused"] >= 1
    for url in (page, playlist, dash):
        with pytest.raises(Fault) as raised:
            ytdlp.download(url, tmp_path)
        assert raised.value.fault_class == "refused"
    assert inner.requests == []


def test_a_stream_that_yt_dlp_leaves_to_ffmpeg_is_not_fetched_by_it(outer: Web, inner: Web, tmp_path: Path) -> None:
    part = outer.add("part.ts", b"\x47" * 188 * 10)
    key = inner.add("key")
    hls = (
        "#EXTM3U\n#EXT-X-VERSION:5\n#EXT-X-TARGETDURATION:9\n"
        f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="{key}"\n#EXTINF:9.0,\n{part}\n#EXT-X-ENDLIST\n'
    )
    with pytest.raises(Fault):
        ytdlp.download(outer.add("talk.m3u8", hls, content_type=HLS), tmp_path)
    assert inner.requests == []
    assert not any("Lavf" in agent for agent in outer.agents)


@pytest.mark.usefixtures("outer")
def test_only_extractors_on_the_list_are_loaded() -> None:
    settings.configure(**settings.current().model_dump() | {"allowed_extractors": ["youtube.*"]})
    assert harvest.harvest_batch(["http://93.184.216.34/talk.mp4"]) == {"unsupported": 1}
    assert "No suitable extractor" in sql("select message from catalog.clip_attempt")[0]["message"]


def test_an_answer_without_end_stops_at_the_limit(outer: Web) -> None:
    settings.configure(**settings.current().model_dump() | {"max_metadata_bytes": 100_000})
    outer.add("page", "<html>" + "x" * 1_000_000)
    assert harvest.harvest_batch([f"{outer.url}/page"]) == {"refused": 1}
    assert "over 100000 bytes" in sql("select message from catalog.clip_attempt")[0]["message"]


def test_a_server_that_drips_is_left_at_the_deadline(outer: Web, tmp_path: Path) -> None:
    settings.configure(**settings.current().model_dump() | {"metadata_timeout_s": 1.0, "max_download_s": 1.0})
    outer.drip_s = 0.2
    page = outer.add("page", "<html>" + "x" * 1000)
    url = outer.add("drip.mp4", b"\0" * 1000, content_type="video/mp4")
    started_at = time.monotonic()
    assert harvest.harvest_batch([page]) == {"transient": 1}
    assert "not done within 1 s" in sql("select message from catalog.clip_attempt")[0]["message"]
    with pytest.raises(Fault, match="not done within 1 s"):
        ytdlp.download(url, tmp_path)
    assert time.monotonic() - started_at < 8


def test_a_connection_that_is_kept_ends_at_the_next_addresss_deadline(outer: Web) -> None:
    """One client reads a batch: what it keeps open from one address must not wait for ever at another."""
    settings.configure(**settings.current().model_dump() | {"metadata_timeout_s": 1.0})
    outer.server.RequestHandlerClass.protocol_version = "HTTP/1.1"  # type: ignore[attr-defined]
    talk = "<html><head><title>t</title></head><video src='/talk.mp4'></video></html>"
    pages = [outer.add(name, talk) for name in ("one", "slow", "two")]
    outer.drips["/slow"] = 0.2
    started_at = time.monotonic()
    assert harvest.harvest_batch(pages) == {"new_sources": 2, "to_cut": 2, "transient": 1}
    assert time.monotonic() - started_at < 8
    assert outer.n_connections < len(outer.requests)


def test_each_address_of_a_batch_has_bytes_of_its_own(outer: Web) -> None:
    settings.configure(**settings.current().model_dump() | {"max_metadata_bytes": 20_000})
    page = "<html><head><title>t</title></head><video src='/{}.mp4'></video>{}</html>"
    pages = [outer.add(str(n), page.format(n, "x" * (n * 9000))) for n in (1, 3, 2, 0)]
    assert harvest.harvest_batch(pages) == {"new_sources": 3, "to_cut": 3, "refused": 1}


def test_the_guard_is_this_threads_and_this_blocks_alone(inner: Web) -> None:
    settings.configure(egress_allowed_hosts=[])
    address = ("127.0.0.1", inner.server.server_port)
    with egress.guard(10, 1000):
        with pytest.raises(egress.Forbidden):
            socket.create_connection(address)
        elsewhere: list[socket.socket] = []
        thread = Thread(target=lambda: elsewhere.append(socket.create_connection(address)))
        thread.start()
        thread.join()
        elsewhere[0].close()
    socket.create_connection(address).close()
    settings.configure()
