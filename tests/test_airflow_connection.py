"""The harvest's secrets come from an Airflow Connection, reach the site, and stand in no log: by a real Airflow."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Web, sql

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

COOKIES = "# Netscape HTTP Cookie File\ntalks.example\tFALSE\t/\tFALSE\t0\tsession\tsecret-cookie\n"


def test_cookies_and_proxy_of_the_connection_reach_the_site_and_no_log(
    web: Web, run_dag: Callable[..., str], tmp_path: Path
) -> None:
    """The proxy is our own server: it is asked for whole addresses, and keeps what it was sent."""
    page = "http://talks.example/talk"
    web.answers[page] = (200, "text/html", b"<html><head><title>t</title></head><video src='/talk.mp4'></video></html>")
    closed = "http://talks.example/closed"
    web.answers[closed] = (403, "text/html", b"")
    extra = {
        "cookies": COOKIES,
        "proxy": web.url.replace("//", "//me:secret-password@"),
        "extractor_args": {"generic": {"impersonate": [""]}},
    }
    said = run_dag(
        "harvest_clips",
        {"urls": [page, closed]},
        # Not Airflow's own: on DEBUG it shows the Connections that it hands to a task.
        AIRFLOW__LOGGING__NAMESPACE_LEVELS="include=DEBUG",
        AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(tmp_path / "logs"),
        AIRFLOW_CONN_OPEN_EMPATHIC_HARVEST=json.dumps({"conn_type": "generic", "extra": extra}),
    )
    assert [row["url"] for row in sql("select url from catalog.source")] == [page]
    assert set(web.cookies) == {"session=secret-cookie"}
    assert web.requests[0] == page
    assert len(set(web.authorizations)) == 1
    assert "Basic" in web.authorizations[0]
    said += "".join(path.read_text(encoding="utf-8", errors="replace") for path in (tmp_path / "logs").rglob("*.log"))
    said += str(sql("select * from catalog.clip_attempt") + sql("select * from catalog.address"))
    assert "closed: Unable to download webpage: HTTP Error 403" in said
    for secret in ("secret-cookie", "secret-password", web.authorizations[0].partition(" ")[2]):
        assert secret not in said
