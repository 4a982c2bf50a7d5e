"""Secrets of the harvest: they reach the site, and nothing else."""

import logging

import pytest
from conftest import Web, sql

from include import harvest, politeness, settings

COOKIES = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tsecret-cookie\n"


def test_cookies_reach_the_site_and_no_log(
    web: Web, pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd
) -> None:
    monkeypatch.setattr(settings, "harvest_connection", lambda: {"cookies": COOKIES})
    with caplog.at_level(logging.DEBUG):
        harvest.harvest_batch([web.add("talk.mp4", status=403)])
    assert web.cookies == ["session=secret-cookie"]
    assert "secret-cookie" not in caplog.text + str(sql("select * from catalog.clip_attempt")) + "".join(
        capfd.readouterr()
    )


@pytest.mark.usefixtures("pipeline")
def test_a_proxys_password_reaches_no_log(
    web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd
) -> None:
    monkeypatch.setattr(settings, "harvest_connection", lambda: {"proxy": "http://me:secret@127.0.0.1:9"})
    with caplog.at_level(logging.DEBUG):
        assert harvest.harvest_batch([f"{web.url}/talk.mp4"]) == {"transient": 1}
    assert web.requests == []
    assert "secret" not in caplog.text + str(sql("select * from catalog.clip_attempt")) + "".join(capfd.readouterr())


@pytest.mark.usefixtures("pipeline")
def test_the_connection_must_be_allowed_where_the_proxy_is_private(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.configure(**settings.current().model_dump() | {"egress_allowed_hosts": []})
    monkeypatch.setattr(settings, "harvest_connection", lambda: {"proxy": web.url})
    assert harvest.harvest_batch(["http://talks.example/talk.mp4"]) == {"refused": 1}
    assert web.requests == []


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://youtu.be/aaaaaaaaaaa", "youtube"),
        ("https://m.youtube.com/@someone", "youtube"),
        ("ytsearch20:laughing", "youtube"),
        ("https://talks.example/x", "talks.example"),
        ("nonsense", "unknown"),
    ],
)
def test_youtubes_hosts_are_one_site(url: str, site: str) -> None:
    assert politeness.site(url) == site
