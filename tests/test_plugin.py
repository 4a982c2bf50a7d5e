"""The page in Airflow's navigation: who may see it, what it says, and that nobody's text runs in it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from include import funnel, settings
from tests.conftest import sql

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ROOT / "plugins"
ROUTES = {"/", "/style.css", "/icon.svg"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The page's module, imported as the api-server does: with `plugins/` on the path; Airflow gets a home in tmp."""
    with pytest.MonkeyPatch.context() as patch:
        if "airflow" not in sys.modules:
            patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.syspath_prepend(str(PLUGINS))
        from open_empathic import page

        yield page


@pytest.fixture
def anonymous(page: ModuleType) -> Any:
    from fastapi.testclient import TestClient

    return TestClient(page.make_app())


@pytest.fixture
def signed_in(page: ModuleType, pipeline: settings.Settings) -> Any:
    """A client whose user Airflow knows: only the question who it is gets answered here, not whether it may."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.testclient import TestClient

    app = page.make_app()
    app.dependency_overrides[get_user] = lambda: object()
    return TestClient(app)


class _Cells(HTMLParser):
    """The text of each table row's cells, and every tag seen."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def cells(html: str) -> _Cells:
    found = _Cells()
    found.feed(html)
    return found


def row(html: str, *first: str) -> list[str]:
    """The table row that begins with the words `first`."""
    found = [r for r in cells(html).rows if tuple(c.split(" ")[0] for c in r)[: len(first)] == first]
    assert len(found) == 1, f"{len(found)} rows begin with {first}"
    return found[0]


def add_source(source_id: str, **columns: Any) -> None:
    sql(
        "insert into catalog.source (source_id, url, speaker_group, refusal, retry_at) values (%s, %s, 'g', %s, %s)",
        source_id,
        f"https://example.org/{source_id}",
        columns.get("refusal"),
        columns.get("retry_at"),
    )


def add_clip(clip_id: str, state: str = "candidate", reason: str | None = None, source_id: str = "web:one") -> None:
    is_ready = state == "ready"
    sql(
        "insert into catalog.clip (clip_id, source_id, start_ms, end_ms, state, reason, audio_sha256, duration_s,"
        " retry_at) values (%s, %s, 0, 9000, %s, %s, %s, %s, case when %s then timestamptz '2031-05-06 07:08Z' end)",
        clip_id,
        source_id,
        state,
        reason,
        "0" * 64 if is_ready else None,
        9.0 if is_ready else None,
        state == "failed",
    )


def add_label(clip_id: str, n_raters: int) -> None:
    sql(
        "insert into catalog.label (clip_id, n_raters, emotion_votes, word_votes, emotion_soft, emotion_hard,"
        " emotion_plurality, has_agreement, arousal_n, valence_n, background_sounds, is_held, vocabulary_version)"
        " values (%s, %s, '{}', '{}', '{}', '{}', '{}', true, 0, 0, '{}', false, 'v')",
        clip_id,
        n_raters,
    )


def add_annotation(number: int, clip_id: str, annotator_id: str, is_retracted: bool = False) -> None:
    sql("insert into catalog.annotator (annotator_id) values (%s) on conflict do nothing", annotator_id)
    sql(
        "insert into catalog.annotation (annotation_id, clip_id, annotator_id, submitted_at, background_sounds,"
        " emotions, reports, is_retracted, vocabulary_version, file, line)"
        " values (%s, %s, %s, now() + make_interval(secs => %s), '{}', '{}', '{}', %s, 'v', 'f', 1)",
        f"{number:064x}",
        clip_id,
        annotator_id,
        number,
        is_retracted,
    )


def add_reject(reject_id: str, reason: str, rejected_at: str = "2026-01-01Z", file: str = "in.jsonl") -> None:
    sql(
        "insert into catalog.annotation_reject (reject_id, raw, reason, file, line, rejected_at)"
        " values (%s, 'raw', %s, %s, 7, %s)",
        reject_id,
        reason,
        file,
        rejected_at,
    )


def add_release(version: str, n_clips: int, duration_s: float, promoted_at: str | None) -> None:
    sql(
        "insert into catalog.release (version, state, vocabulary_version, n_clips, duration_s, promoted_at)"
        " values (%s, %s, 'v', %s, %s, %s)",
        version,
        "published" if promoted_at else "building",
        n_clips,
        duration_s,
        promoted_at,
    )


# Who may see it


def test_every_route_asks_who_is_there(anonymous: Any) -> None:
    assert {route.path for route in anonymous.app.routes} == ROUTES
    for path in ROUTES:
        answer = anonymous.get(path)
        assert answer.status_code == 401, path
        assert "Open Empathic" not in answer.text


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/templates/page.html", "/../page.py"])
def test_nothing_else_is_served(signed_in: Any, path: str) -> None:
    assert signed_in.get(path).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_only_reads(signed_in: Any, method: str) -> None:
    assert getattr(signed_in, method)("/").status_code == 405


def test_its_own_files_are_served(signed_in: Any) -> None:
    assert signed_in.get("/style.css").headers["content-type"].startswith("text/css")
    assert signed_in.get("/icon.svg").headers["content-type"].startswith("image/svg+xml")


def test_the_browser_is_told_to_run_and_load_nothing(anonymous: Any, signed_in: Any) -> None:
    for answer in (signed_in.get("/"), signed_in.get("/style.css"), anonymous.get("/")):
        policy = answer.headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "style-src 'self'" in policy
        assert not any(rule.startswith("script-src") or "unsafe" in rule for rule in policy)
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_needs_only_what_the_policy_allows(signed_in: Any) -> None:
    add_source("web:one")
    html = signed_in.get("/").text
    assert not cells(html).tags & {"script", "style", "img", "iframe", "form", "a"}
    assert " style=" not in html
    assert "http" not in signed_in.get("/style.css").text


# What it says


def test_the_funnel_has_counts_and_shares(signed_in: Any) -> None:
    add_source("web:one")
    add_source("web:two")
    for number in range(8):
        add_clip(f"c{number}", "ready" if number < 6 else "candidate")
    for number in range(3):
        add_label(f"c{number}", n_raters=1)
    add_label("c3", n_raters=0)
    add_release("2026.01.02", n_clips=2, duration_s=18, promoted_at="2026-01-02Z")
    html = signed_in.get("/").text
    assert row(html, "sources")[2:] == ["2", "–", "–"]
    assert row(html, "candidates")[2:] == ["8", "100 %", "–"]
    assert row(html, "ready", "")[2:] == ["6", "75 %", "75 %"]
    assert row(html, "annotated")[2:] == ["3", "38 %", "50 %"]
    assert row(html, "released")[2:] == ["2", "25 %", "67 %"]
    for step, width in {"sources": "25.00", "candidates": "100.00", "ready": "75.00", "released": "25.00"}.items():
        assert f'<rect class="{step}" width="{width}%"' in html


def test_clips_stand_by_state(signed_in: Any) -> None:
    add_source("web:one")
    add_clip("a", "ready")
    add_clip("b", "blocked", "taken down")
    add_clip("c", "blocked", "taken down")
    add_clip("d", "failed", "timeout")
    html = signed_in.get("/").text
    assert row(html, "ready", "1")[1:] == ["1", "25 %"]
    assert row(html, "blocked")[1:] == ["2", "50 %"]
    assert row(html, "failed")[1:] == ["1", "25 %"]
    assert row(html, "gone")[1:] == ["0", "0 %"]


def test_each_annotation_is_in_one_row(signed_in: Any) -> None:
    add_source("web:one")
    add_clip("a", "ready")
    add_annotation(1, "a", "ann")
    add_annotation(2, "a", "ann")
    add_annotation(3, "a", "ben")
    add_annotation(4, "a", "eva", is_retracted=True)
    add_annotation(5, "unknown-clip", "ann")
    add_reject("r", "no JSON")
    html = signed_in.get("/").text
    assert row(html, "counted")[1:] == ["2", "33 %"]
    for fate in ("superseded", "retractions", "waiting"):
        assert row(html, fate)[1:] == ["1", "17 %"]
    assert row(html, "rejected", "1")[1:] == ["1", "17 %"]
    assert "6 rows sent, by 3 annotators" in html


def test_releases_stand_newest_first_and_only_when_published(signed_in: Any, page: ModuleType) -> None:
    add_source("web:one")
    add_release("2026.01.02", 1200, 5400.0, "2026-01-02 03:04:05Z")
    add_release("2026.01.10", 2400, 10_800.0, "2026-01-10 03:04:05+02")
    add_release("2026.01.11", 9, 1.0, None)
    html = signed_in.get("/").text
    found = [r for r in cells(html).rows if r[0].startswith("2026.")]
    assert found == [
        ["2026.01.10", "2026-01-10 01:04", "2,400", "3.00"],
        ["2026.01.02", "2026-01-02 03:04", "1,200", "1.50"],
    ]
    for day in range(1, page.MAX_RELEASES + 1):
        add_release(f"2025.01.{day:02}", 1, 1.0, "2025-01-01Z")
    html = signed_in.get("/").text
    assert len([r for r in cells(html).rows if r[0].startswith("202")]) == page.MAX_RELEASES
    assert "and 2 older" in html


def test_refusals_of_every_kind_are_listed(signed_in: Any) -> None:
    add_source("web:one")
    add_source("web:mute", refusal="no audio stream")
    add_source("web:later", retry_at="2030-01-02 03:04Z")
    add_clip("gone-clip", "gone", "video removed")
    add_clip("late-clip", "failed", "timeout")
    add_reject("r", "no JSON")
    sql(
        "insert into catalog.clip_attempt (stage, url, outcome, message)"
        " values ('harvest', 'https://example.org/404', 'gone', 'HTTP 404'),"
        " ('harvest', 'https://example.org/mended', 'transient', 'HTTP 503'),"
        " ('harvest', 'https://example.org/mended', 'ok', null)"
    )
    html = signed_in.get("/").text
    assert row(html, "address")[1:] == ["https://example.org/404", "gone", "HTTP 404", "–"]
    assert row(html, "source", "web:mute")[2:] == ["refused", "no audio stream", "–"]
    assert row(html, "source", "web:later")[2:] == ["failed", "to be tried again", "2030-01-02 03:04"]
    assert row(html, "clip", "gone-clip")[2:] == ["gone", "video removed", "–"]
    assert row(html, "clip", "late-clip")[2:] == ["failed", "timeout", "2031-05-06 07:08"]
    assert row(html, "annotation")[1:] == ["in.jsonl:7", "rejected", "no JSON", "–"]
    listed = {(r["what"], r["id"]) for r in funnel.refusals()}
    assert listed == {(r["what"], r["id"]) for r in funnel.newest_refusals(99)}


def test_the_newest_refusals_come_first_and_end_at_the_limit(signed_in: Any, page: ModuleType) -> None:
    add_source("web:one")
    add_clip("old-clip", "rejected", "silence")
    sql("update catalog.clip set first_seen_at = '2020-01-01Z'")
    for number in range(60):
        add_reject(f"r{number}", "no JSON", f"2026-01-01 00:{number:02}Z", file=f"{number}.jsonl")
    found = [r[1] for r in cells(signed_in.get("/").text).rows if r[0] in ("annotation", "clip")]
    assert found == [f"{number}.jsonl:7" for number in range(59, 59 - page.MAX_REFUSALS, -1)]
    sql(
        "insert into catalog.clip_attempt (stage, url, outcome, tried_at)"
        " values ('transcode', 'https://example.org/web:one', 'ok', '2026-02-01Z')"
    )
    found = [r[1] for r in cells(signed_in.get("/").text).rows if r[0] in ("annotation", "clip")]
    assert found[0] == "old-clip"


def test_annotators_in_doubt_are_listed_with_the_evidence(signed_in: Any) -> None:
    add_source("web:one")
    add_clip("a", "ready")
    assert "nothing speaks against any annotator" in signed_in.get("/").text
    for number, (who, signals) in enumerate({"ann": [], "ben": ["too_fast"], "eva": ["too_fast", "pasted"]}.items()):
        add_annotation(number, "a", who)
        state = ("new", "watched", "blocked")[len(signals)]
        sql("update catalog.annotator set state = %s, weight = 0.5 where annotator_id = %s", state, who)
        sql(
            "insert into catalog.annotator_evidence (annotator_id, n_annotations, n_questions, arousal_n, valence_n,"
            " n_gold, n_gold_right, n_timed, n_described, signals, state, weight)"
            " values (%s, 1234, 0, 0, 0, 0, 0, 0, 0, %s, %s, 0.5)",
            *(who, signals, state),
        )
    sql(
        "insert into catalog.annotator_overrule (annotator_id, state, reason) values ('ben', 'watched', %s)",
        "<b>seen</b> at it",
    )
    html = signed_in.get("/").text
    assert row(html, "eva")[1:] == ["blocked", "0.50", "1,234 annotations", "too_fast, pasted", "–"]
    assert row(html, "ben")[1:] == ["watched", "0.50", "1,234 annotations", "too_fast", "<b>seen</b> at it"]
    found = [r[0] for r in cells(html).rows]
    assert found.index("eva") < found.index("ben")
    assert "ann" not in found


@pytest.mark.parametrize(
    ("share", "shown"),
    [(None, "–"), (0.0, "0 %"), (0.04, "< 1 %"), (99.99, "> 99 %"), (100.0, "100 %"), (120, "120 %")],
)
def test_a_share_is_not_rounded_to_nothing_or_all(page: ModuleType, share: float | None, shown: str) -> None:
    assert page._as_percent(share) == shown


def test_text_of_strangers_is_only_text(signed_in: Any) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7 * 7 }}"
    add_source("web:one", refusal=hostile)
    add_source("web:two")
    add_clip("c", "rejected", hostile, source_id="web:two")
    add_reject("r", hostile, file=hostile)
    sql(
        "insert into catalog.clip_attempt (stage, url, outcome, message) values ('harvest', %s, 'gone', %s)",
        f"https://example.org/?{hostile}",
        hostile,
    )
    html = signed_in.get("/").text
    seen = cells(html)
    assert not seen.tags & {"script", "img"}
    assert [r[3] for r in seen.rows if r[0] in ("source", "clip", "annotation", "address")] == [hostile] * 4
    assert row(html, "address")[1] == f"https://example.org/?{hostile}"


def test_an_endless_reason_is_cut(signed_in: Any) -> None:
    add_source("web:one", refusal="x" * 10_000)
    shown = row(signed_in.get("/").text, "source")[3]
    assert len(shown) == 300
    assert shown.endswith("…")


# When there is nothing to show


def test_an_empty_catalog_says_what_to_do_first(signed_in: Any) -> None:
    answer = signed_in.get("/")
    assert answer.status_code == 200
    assert "trigger the DAG harvest_clips first" in answer.text
    assert not cells(answer.text).rows
    add_reject("r", "no JSON")
    assert "harvest_clips" not in signed_in.get("/").text


@pytest.mark.parametrize(
    "statement", ["drop schema catalog cascade", "alter table catalog.source drop column retry_at cascade"]
)
def test_a_catalog_without_its_tables_says_what_to_do_first(signed_in: Any, statement: str) -> None:
    sql(statement)
    answer = signed_in.get("/")
    assert answer.status_code == 200
    assert "./oe migrate, which makes them" in answer.text


def test_a_catalog_out_of_reach_is_one_sentence(signed_in: Any) -> None:
    settings.configure(catalog_url="postgresql://nobody:hunter2@127.0.0.1:9/none")
    answer = signed_in.get("/")
    assert answer.status_code == 503
    assert "The catalog can&#39;t be reached: check that its Postgres server runs" in answer.text
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


def test_a_catalog_that_keeps_silent_is_given_up(
    signed_in: Any, page: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PATIENCE_S", 0.1)
    monkeypatch.setattr(page, "_read", lambda: time.sleep(1))
    answer = signed_in.get("/")
    assert answer.status_code == 503
    assert "gave no answer" in answer.text


def test_any_other_fault_points_to_the_log(
    signed_in: Any, page: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(page, "_read", fail)
    answer = signed_in.get("/")
    assert answer.status_code == 503
    assert "log has the reason" in answer.text
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text


# In Airflow


def run_airflow(code: str, home: Path, **environment: str) -> Any:
    """What `code` prints last, as JSON, in a Python of its own that has Airflow set up as in production."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "OPEN_EMPATHIC"))},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": str(ROOT),
            **environment,
        },
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


LOAD = """
import json, sys
from airflow import plugins_manager
before = set(sys.modules)
plugins, errors = plugins_manager._get_plugins()
added = sorted(set(sys.modules) - before)
apps, _ = plugins_manager.get_fastapi_plugins()
print(json.dumps({
    "plugins": [(p.name, str(p.source)) for p in plugins],
    "errors": errors,
    "added": added,
    "apps": [(a["name"], a["url_prefix"]) for a in apps],
    "views": [view for view in plugins_manager._get_ui_plugins()[0]],
}))
"""


def test_airflow_finds_one_light_plugin(tmp_path: Path) -> None:
    found = run_airflow(LOAD, tmp_path)
    ours = [plugin for plugin in found["plugins"] if plugin[1].startswith("$PLUGINS_FOLDER")]
    assert ours == [["open_empathic", "$PLUGINS_FOLDER/open_empathic_plugin.py"]]
    assert found["errors"] == {}
    assert not {"fastapi", "psycopg", "include", "open_empathic", "page"} & set(found["added"])
    assert ["Open Empathic", "/open-empathic"] in found["apps"]
    view = next(view for view in found["views"] if view["name"] == "Open Empathic")
    assert view["destination"] == "nav"
    assert view["url_route"] == "open-empathic"
    assert view["href"] == "open-empathic/"
    assert view["icon"] == "open-empathic/icon.svg"


def test_a_page_that_cannot_be_built_leaves_the_rest_of_airflow_alone(
    page: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import open_empathic_plugin

    monkeypatch.setattr(page, "make_app", lambda: 1 / 0)
    assert open_empathic_plugin.OpenEmpathicPlugin().fastapi_apps == []
    assert "ZeroDivisionError" in caplog.text


SERVE = """
import json
from airflow.utils.db import initdb
initdb()
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient
client = TestClient(create_app(apps="core"), follow_redirects=False)
token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="vera", role="viewer"))
paths = ["/open-empathic/", "/open-empathic/style.css", "/open-empathic/icon.svg"]
anonymous = [client.get(path).status_code for path in paths]
forged = client.get(paths[0], headers={"Authorization": "Bearer x" + token}).status_code
bearer = client.get(paths[0], headers={"Authorization": "Bearer " + token})
client.cookies.set("_token", token)
cookie = [client.get(path).status_code for path in paths]
print(json.dumps({"anonymous": anonymous, "forged": forged, "cookie": cookie,
                  "status": bearer.status_code, "text": bearer.text}))
"""


@pytest.mark.airflow
@pytest.mark.parametrize("catalog_from", ["OPEN_EMPATHIC_CATALOG_URL", "AIRFLOW_CONN_OPEN_EMPATHIC_CATALOG"])
def test_a_real_api_server_serves_it_to_its_users_only(
    pipeline: settings.Settings, tmp_path: Path, catalog_from: str
) -> None:
    add_source("web:one")
    add_source("web:two")
    answers = run_airflow(
        SERVE,
        tmp_path,
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS="vera:viewer",
        AIRFLOW__API_AUTH__JWT_SECRET="k" * 64,
        OPEN_EMPATHIC_RUN=str(tmp_path / "no-run"),
        **{catalog_from: str(pipeline.catalog_url)},
    )
    assert answers["anonymous"] == [401, 401, 401]
    assert answers["forged"] == 403
    assert answers["cookie"] == [200, 200, 200]
    assert answers["status"] == 200
    assert row(answers["text"], "sources")[2] == "2"
