"""sources.yaml and what comes of its entries."""

import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Web, agreed, ready_clip, sql

from include import (
    captions,
    catalog,
    clip_list,
    coverage,
    harvest,
    harvest_plan,
    selection,
    settings,
    sources,
    ytdlp,
)
from include.faults import Fault

GOOD = """\
new_sources_per_run: 10
urls: ["https://www.youtube.com/watch?v=aaaaaaaaaaa"]
entries:
  - {kind: search, query: joyful talk, families: [happy_and_energetic], language: en}
  - {kind: channel, url: "https://www.youtube.com/@someone", limit: 3, gender: female}
  - {kind: suggestions}
quotas:
  family: {happy_and_energetic: 10}
"""


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "sources.yaml"
    monkeypatch.setattr(sources, "SOURCES", path)
    path.write_text("urls: []")
    return path


def test_the_projects_own_file_is_of_its_form() -> None:
    assert sources.read().entries == []


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("query: joyful talk", "query: 7", 4, "entries.1.query"),
        ("kind: search", "kind: serch", 4, "entries.1"),
        ("limit: 3", "limit: 0", 5, "entries.2.limit"),
        ("gender: female", "gender: woman", 5, "entries.2.gender"),
        ("kind: suggestions", "kind: suggestions, colour: red", 6, "entries.3.colour"),
        ("  family: {happy_and_energetic: 10}", "  family: {joy: 10}", 8, "no emotion family of the vocabulary: joy"),
        ("new_sources_per_run: 10", "new_sources_per_run: ten", 1, "new_sources_per_run"),
        ('urls: ["https', 'urls: ["ftp', 2, "urls.1"),
        ("entries:", "entries: [", 4, ""),
    ],
)
def test_a_fault_is_said_with_its_line(configured: Path, old: str, new: str, line: int, said: str) -> None:
    configured.write_text(GOOD)
    assert len(sources.read().entries) == 3
    configured.write_text(GOOD.replace(old, new))
    with pytest.raises(sources.SourcesError) as raised:
        sources.read()
    assert f"sources.yaml, line {line}" in str(raised.value)
    assert said in str(raised.value)


def write_manifest(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def clip_ids() -> list[str]:
    return [row["clip_id"] for row in sql("select clip_id from catalog.clip order by clip_id")]


@pytest.mark.usefixtures("pipeline")
@pytest.mark.parametrize(
    ("rows", "clip"),
    [
        (["-aaaaaaaaaa_000030.mp4,laughing"], ("youtube--aaaaaaaaaa-30000-40000", "laughing")),
        (["aaaaaaaaaaa,30,crying,train"], ("youtube-aaaaaaaaaaa-30000-40000", "crying")),
        (
            [
                "# Segments csv created Sun Mar  5 10:54:31 2017",
                "# YTID, start_seconds, end_seconds, positive_labels",
                '--aaaaaaaaa, 30.000, 40.000, "/m/09x0r,/t/dd00088"',
            ],
            ("youtube---aaaaaaaaa-30000-40000", "/m/09x0r,/t/dd00088"),
        ),
        (["youtube_id,label,start,length", "aaaaaaaaaaa,a\\tb,1.5,4"], ("youtube-aaaaaaaaaaa-1500-5500", "a tb")),
    ],
)
def test_the_known_forms_of_a_manifest_are_read(tmp_path: Path, rows: list[str], clip: tuple[str, str]) -> None:
    path = write_manifest(tmp_path / "clips.csv", *rows)
    assert clip_list.import_file(path) == {"manifest_rows": 1, "new_sources": 1, "new_clips": 1}
    assert [(row["clip_id"], row["hint"]) for row in sql("select * from catalog.clip")] == [clip]


@pytest.mark.usefixtures("pipeline")
def test_a_manifest_taken_in_again_changes_nothing_and_loses_no_row(tmp_path: Path) -> None:
    good = [f"{n:011d},{start},{start + 10}" for n in range(50) for start in (0, 20)]
    bad = ["short,1,2", "bbbbbbbbbbb,9,4", "bbbbbbbbbbb,0,40", "bbbbbbbbbbb", "bbbbbbbbbbb,soon,4"]
    path = write_manifest(tmp_path / "clips.csv", *good, *bad, good[0])
    counts = clip_list.import_file(path)
    assert counts == {"manifest_rows": 106, "new_sources": 50, "new_clips": 100, "refused": 5}
    before = sql("select count(*) as n from catalog.clip_attempt")
    assert clip_list.import_file(path) == {"manifest_rows": 106, "new_sources": 0, "new_clips": 0, "refused": 5}
    assert sql("select count(*) as n from catalog.clip_attempt") == before == [{"n": 5}]
    reasons = {row["url"]: row["message"] for row in sql("select url, message from catalog.address")}
    assert "over 30 s" in reasons["clips.csv, row 103: bbbbbbbbbbb,0,40"]
    assert "too few columns" in reasons["clips.csv, row 104: bbbbbbbbbbb"]


@pytest.mark.usefixtures("pipeline")
def test_a_manifest_meets_another_run_that_puts_in_the_same(tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "clips.csv", "aaaaaaaaaaa,0,10", "aaaaaaaaaab,0,10", "aaaaaaaaaab,20,30")
    waits = "select count(*) as n from pg_locks where not granted and locktype = 'transactionid'"
    with catalog.connect() as other, ThreadPoolExecutor(1) as pool:
        other.execute(
            "insert into catalog.source (source_id, url, speaker_group) values ('youtube:aaaaaaaaaab', 'u', 'theirs')"
        )
        other.execute(
            "insert into catalog.clip (clip_id, source_id, start_ms, end_ms)"
            " values ('youtube-aaaaaaaaaab-0-10000', 'youtube:aaaaaaaaaab', 0, 10000)"
        )
        taken = pool.submit(clip_list.import_file, path)
        until = time.monotonic() + 20
        while sql(waits) == [{"n": 0}] and time.monotonic() < until:
            time.sleep(0.02)
        assert sql(waits) == [{"n": 1}]
        other.commit()
        assert taken.result() == {"manifest_rows": 3, "new_sources": 1, "new_clips": 2}
    theirs = "select speaker_group, is_unread from catalog.source where source_id = 'youtube:aaaaaaaaaab'"
    assert sql(theirs) == [{"speaker_group": "theirs", "is_unread": False}]
    assert sql("select clip_id, has_unread_source from catalog.clip order by clip_id") == [
        {"clip_id": "youtube-aaaaaaaaaaa-0-10000", "has_unread_source": True},
        {"clip_id": "youtube-aaaaaaaaaab-0-10000", "has_unread_source": False},
        {"clip_id": "youtube-aaaaaaaaaab-20000-30000", "has_unread_source": False},
    ]


@pytest.mark.usefixtures("pipeline")
def test_a_manifest_is_taken_in_by_a_role_that_may_not_skip_foreign_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_manifest(tmp_path / "clips.csv", "aaaaaaaaaaa,0,10")
    sql("drop role if exists plain_loader")
    sql("create role plain_loader")
    sql("grant usage on schema catalog to plain_loader")
    sql("grant all on all tables in schema catalog to plain_loader")
    connect = catalog.connect

    @contextmanager
    def connect_plain() -> Iterator[Any]:
        with connect() as connection:
            connection.execute("set role plain_loader")
            yield connection

    with monkeypatch.context() as patched:
        patched.setattr(catalog, "connect", connect_plain)
        assert clip_list.import_file(path) == {"manifest_rows": 1, "new_sources": 1, "new_clips": 1}
    sql("drop owned by plain_loader")
    sql("drop role plain_loader")


def fake_youtube(monkeypatch: pytest.MonkeyPatch, **of_each: Any) -> list[str]:
    """Answer for YouTube, which no test can reach, with metadata as its extractor gives it; what was asked."""
    asked: list[str] = []

    def extract(url: str, *options: Any) -> tuple[list[dict[str, Any]], list[str]]:
        asked.append(url)
        said = of_each.get(url[-1], {})
        if isinstance(said, Fault):
            raise said
        return [{"webpage_url": url, "extractor_key": "Youtube", "id": url[-11:], "duration": 60, **said}], []

    monkeypatch.setattr(ytdlp, "extract", extract)
    return asked


@pytest.mark.usefixtures("pipeline", "configured")
def test_a_manifests_sources_are_read_before_they_are_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include import transcode

    rows = ["aaaaaaaaaa1,0,10", "aaaaaaaaaa1,20,30", "aaaaaaaaaa2,0,10", "aaaaaaaaaa3,55,65", "aaaaaaaaaa4,0,9"]
    path = write_manifest(tmp_path / "clips.csv", *rows)
    faults = {"2": Fault("gone", "removed"), "4": {"age_limit": 18}}
    asked = fake_youtube(monkeypatch, **faults)
    batches = harvest_plan.plan_batches(manifest_path=str(path))
    assert transcode.plan_batches() == []
    assert harvest.harvest_batch(**batches[0]) == {"known_sources": 2, "gone": 1, "refused": 2}
    states = {row["clip_id"]: row["state"] for row in sql("select clip_id, state from catalog.clip")}
    assert list(states.values()) == ["candidate"] * 2 + ["gone", "rejected", "rejected"]
    assert transcode.plan_batches() == [["youtube:aaaaaaaaaa1"]]
    assert harvest_plan.plan_batches(manifest_path=str(path)) == []
    assert len(asked) == 4
    fake_youtube(monkeypatch)
    [batch] = harvest_plan.plan_batches(retry="refused")
    assert harvest.harvest_batch(**batch)["known_sources"] >= 1
    assert sql("select state from catalog.clip where source_id = 'youtube:aaaaaaaaaa4'") == [{"state": "candidate"}]


@pytest.mark.usefixtures("pipeline", "configured")
def test_the_limit_is_how_many_of_a_manifests_sources_are_read(tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "clips.csv", *(f"{n:011d},0,10" for n in range(50)))
    batches = harvest_plan.plan_batches(manifest_path=str(path), limit=7, batch_size=5)
    assert [len(batch["urls"]) for batch in batches] == [5, 2]
    assert batches[0]["urls"][0] == "https://www.youtube.com/watch?v=00000000000#t=0,10"


def suggest(url: str, start_s: float | None = None, end_s: float | None = None) -> None:
    sql(
        "insert into catalog.suggestion (url, start_s, end_s, suggested_by) values (%s, %s, %s, 'v')",
        *(url, start_s, end_s),
    )


@pytest.mark.usefixtures("pipeline")
def test_each_suggestion_is_accepted_waits_or_is_refused_with_its_reason(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured.write_text("entries: [{kind: suggestions}]")
    fake_youtube(monkeypatch, b=Fault("gone", "removed"), c=Fault("transient", "503"))
    suggest("https://youtu.be/aaaaaaaaaaa", 1, 9)
    suggest("https://www.youtube.com/shorts/aaaaaaaaaaa", 5, 40)
    suggest("https://www.youtube.com/embed/aaaaaaaaaaa?start=5&end=4")
    suggest("https://m.youtube.com/watch?v=aaaaaaaaaaa&t=3s", 55, 70)
    suggest("https://youtu.be/aaaaaaaaaab", 1, 9)
    suggest("https://youtu.be/aaaaaaaaaac", 1, 9)
    suggest("my favourite video")
    for batch in harvest_plan.plan_batches():
        harvest.harvest_batch(**batch)
    said = sql("select outcome, reason from catalog.suggestion order by suggestion_id")
    assert [row["outcome"] for row in said] == ["accepted", *["refused"] * 4, "waiting", "refused"]
    for row, reason in zip(said, ("", "over 30 s", "not after", "past the end", "removed", "", "no http"), strict=True):
        assert reason in (row["reason"] or "")
    fake_youtube(monkeypatch)
    sql("update catalog.address set next_try_at = now() where next_try_at is not null")
    harvest.harvest_batch(**harvest_plan.plan_batches()[0])
    assert sql("select outcome from catalog.suggestion where url like '%%c'") == [{"outcome": "accepted"}]
    assert clip_ids() == ["youtube-aaaaaaaaaaa-1000-9000", "youtube-aaaaaaaaaac-1000-9000"]


@pytest.mark.parametrize(
    ("filters", "said", "reason"),
    [
        ({"max_duration_s": 100.0}, {"duration_s": 200.0}, "200 s long, not 1 to 100 s"),
        ({}, {"info": {"age_limit": 18}}, "for an age of 18"),
        ({}, {"info": {"availability": "subscriber_only"}}, "not open to all"),
        ({"languages": ["en"]}, {"language": "de-AT"}, "its language is de-AT"),
        ({"languages": ["de"]}, {"language": "de-AT"}, None),
        ({"languages": ["de"]}, {}, None),
        ({"licences": ["CC BY"]}, {}, "its licence is unknown"),
        ({"blocked_channels": ["Bad"]}, {"channel": "UC1", "info": {"uploader": "Bad"}}, "channel is blocked"),
        ({"blocked_sources": ["youtube:a"]}, {}, "the source is blocked"),
    ],
)
def test_metadata_decides_what_is_taken(filters: dict, said: dict, reason: str | None) -> None:
    source = {"source_id": "youtube:a", "duration_s": None, "language": None, "licence": "unknown", "channel": None}
    found = selection.refusal({**source, "info": {}, **said}, sources.Filters(**filters))
    assert (found or "").find(reason or "") >= 0
    assert (found is None) == (reason is None)


@pytest.mark.usefixtures("pipeline")
def test_the_budget_goes_where_most_is_lacking(configured: Path, caplog: pytest.LogCaptureFixture) -> None:
    configured.write_text(
        "entries:\n"
        "  - {kind: search, query: one, families: [neutral]}\n"
        "  - {kind: search, query: two, families: [sarcasm], limit: 4}\n"
        "  - {kind: search, query: three}\n"
        "  - {kind: search, query: four, language: de}\n"
        "quotas:\n  family: {neutral: 4, sarcasm: 10}\n  language: {de: 20}\n"
    )
    agreed([ready_clip("aaaaaaaaaaa", start) for start in range(0, 3000, 1000)], emotions=["neutral"])
    configured_now = sources.read()
    entries = [entry for entry in configured_now.entries if isinstance(entry, sources.Search)]
    with caplog.at_level(logging.INFO):
        assert coverage.share_out(entries, configured_now.quotas, 10) == [0, 4, 0, 6]
    assert "family neutral                                  4        3            0      0" in caplog.text
    assert coverage.share_out(entries, configured_now.quotas, 10) == [0, 4, 0, 6]
    sql('update catalog.source set aim = \'{"language": ["de"]}\'')
    sql(
        "insert into catalog.clip (clip_id, source_id, start_ms, end_ms)"
        " select 'c' || n, 'youtube:aaaaaaaaaaa', 0, 1000 from generate_series(1, 20) as n"
    )
    assert coverage.share_out(entries, configured_now.quotas, 6) == [1, 4, 1, 0]
    plan = harvest_plan.plan_batches(limit=6)
    assert [(batch["urls"], batch["budget"]) for batch in plan] == [
        (["ytsearch400:one"], 1),
        (["ytsearch8:two"], 4),
        (["ytsearch400:three"], 1),
    ]
    assert plan[1]["aim"] == {"family": ["sarcasm"]}


def rss(*urls: str) -> str:
    items = "".join(
        f'<item><title>Part</title><guid>{n}</guid><enclosure url="{url}" type="audio/mpeg"/></item>'
        for n, url in enumerate(urls)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Talks</title>{items}</channel></rss>'


def test_a_list_gives_no_more_new_sources_than_its_share(
    web: Web, configured: Path, recording, pipeline: settings.Settings
) -> None:
    media = recording("talk.mp3", 1)
    parts = [web.add(f"{n}.mp3", media) for n in range(5)]
    url = web.add("feed.rss", rss(f"{web.url}/dead.mp3", *parts), content_type="application/rss+xml")
    configured.write_text(f"entries: [{{kind: feed, url: '{url}', limit: 2, language: de}}]")
    assert harvest.harvest_batch(**harvest_plan.plan_batches()[0])["new_sources"] == 2
    [batch] = harvest_plan.plan_batches()
    assert harvest.harvest_batch(**batch) == {
        "lists": 1, "skipped": 1, "known_sources": 2, "new_sources": 2, "to_cut": 2,
    }  # fmt: skip
    assert sql('select count(*) as n from catalog.source where aim = \'{"language": ["de"]}\'')[0]["n"] == 4


VTT = """WEBVTT

1
00:00:00.000 --> 00:00:02.000
Hello <c.loud>there</c> &amp;

00:02.000 --> 00:04.500
second line
"""


def test_captions_become_the_draft_of_a_clip(web: Web, pipeline: settings.Settings, recording) -> None:
    media, track = web.add("talk.mp4", recording("talk.mp4", 5)), web.add("talk.vtt", VTT, content_type="text/vtt")
    page = web.add(
        "talk",
        f"<html><head><title>A talk</title></head><body><video src='{media}'>"
        f"<track kind='subtitles' srclang='en' src='{track}'></video></body></html>",
    )
    assert harvest.harvest_batch([f"{page}#t=0,2.2", f"{page}#t=2.2,5"])["new_clips"] == 2
    drafts = sql("select transcription, language, is_automatic from catalog.clip_draft order by clip_id")
    assert [(row["transcription"], row["language"], row["is_automatic"]) for row in drafts] == [
        ("Hello there &", "en", False),
        ("second line", "en", False),
    ]


def test_the_authors_captions_come_before_automatic_ones() -> None:
    track = [{"ext": "srv1", "url": "x"}, {"ext": "json3", "url": "j"}, {"ext": "vtt", "url": "v"}]
    info = {
        "language": "de",
        "subtitles": {"en": track, "live_chat": [{"ext": "json"}]},
        "automatic_captions": {"en": track, "de": track, "de-orig": track},
    }
    assert captions.choose(info) == captions.Track("de", True, "json3", "j")
    assert captions.choose({**info, "language": "en-GB"}) == captions.Track("en", False, "json3", "j")
    assert captions.choose({"language": "fr"} | {"subtitles": {"en": track}}) is None
    text = json.dumps({"events": [
        {"tStartMs": 500, "dDurationMs": 100, "segs": [{"utf8": "a "}, {"utf8": "b\n"}]}, {"tStartMs": 1},
    ]})  # fmt: skip
    assert captions.lines(text, "json3") == [(500, 600, "a b")]
    with pytest.raises(ValueError, match="no WebVTT"):
        captions.lines("<html>", "vtt")


DUE = {
    "select_unread_sources": ({"limit": 10}, {"source_unread"}),
    "select_due_sources": (
        {"limit": None, "only_retries": False},
        {"clip_to_make", "clip_to_retry", "source_to_cut", "source_to_retry"},
    ),
    "select_addresses_to_retry": (
        {"limit": None, "fault_class": None, "tool_version": "2026.10.26"},
        {"address_due", "address_broken"},
    ),
}


@pytest.mark.usefixtures("pipeline")
def test_what_is_due_is_found_without_reading_all_that_is_known() -> None:
    sql(
        "insert into catalog.source (source_id, url, speaker_group, is_unread, refusal)"
        " select 'x:' || n, 'https://x.example/' || n, 'x:' || n, n % 2 = 0, case when n % 2 = 0 then 'gone' end"
        " from generate_series(1, 20000) as n".replace("%", "%%")
    )
    sql(
        "insert into catalog.clip (clip_id, source_id, start_ms, end_ms, state, reason, retry_at, has_unread_source)"
        " select 'x-' || n, 'x:' || n, 0, 1000, case when n % 2 = 0 then 'candidate' else 'failed' end, 'transient',"
        " now() + interval '1 day', n % 2 = 0 from generate_series(1, 20000) as n".replace("%", "%%")
    )
    sql(
        "insert into catalog.address (url, outcome, tool_version, next_try_at)"
        " select 'https://x.example/' || n, case when n % 2 = 0 then 'broken' else 'transient' end, '2026.10.26',"
        " case when n % 2 = 1 then now() + interval '1 day' end"
        " from generate_series(1, 20000) as n".replace("%", "%%")
    )
    sql("analyze catalog.source, catalog.clip, catalog.address")
    for name, (parameters, indexes) in DUE.items():
        with catalog.connect() as connection:
            rows = connection.execute("explain " + catalog.statement(name), parameters).fetchall()
        plan = "\n".join(row["QUERY PLAN"] for row in rows)
        assert "Seq Scan" not in plan, plan
        assert {index for index in indexes if index in plan} == indexes, plan
