"""What strangers write: HTML, SQL, escapes, personal data go through a merge, and do nothing where they are shown."""

import io
import json
import tarfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from include import __main__ as cli
from include import contract, release, settings, store
from tests.conftest import annotation, merge, publish_unchecked, ready_clip, sql

HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "'); drop table catalog.annotation; --",
    "%s %(version)s {0} {{ 7 * 7 }} ${HOME} $1",
    "| a | b |\n|---|---|\n# A heading\n[link](javascript:alert(1)) `code` ![x](http://x)",
    "\x1b]0;title\x07\x1b[31mred\x1b[0m \u202egnirts \x9b2J",
    '=cmd|"/c calc"!A1',
    "\\copy x from program 'id'\t\\.\n\\N",
]
PERSONAL = [
    "write to ada.lovelace@example.org",
    "ring +44 20 7946 0958 after six",
    "call 555-123-4567",
    "ada [at] example [dot] org",
]
VERSION = "2026.01.01"


def clip_of(n: int) -> str:
    return f"youtube-abcdefghi{n:02}-0-500"


def published() -> Iterator[tuple[str, str]]:
    """Every file of the release as (path, text): tables as JSON, members of shards each by itself."""
    for path in store.paths_below(f"releases/{VERSION}"):
        content = store.read_bytes(path)
        if path.endswith(".parquet"):
            rows = pq.read_table(io.BytesIO(content)).to_pylist()
            yield path, json.dumps(rows, default=str, ensure_ascii=False)
        elif path.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                for member in tar:
                    if member.name.endswith(".json"):
                        said = json.loads(tar.extractfile(member).read())  # type: ignore[union-attr]
                        yield f"{path}/{member.name}", json.dumps(said, ensure_ascii=False)
        else:
            yield path, content.decode(errors="replace")


@pytest.mark.parametrize("texts", [HOSTILE, PERSONAL], ids=["hostile", "personal"])
def test_text_is_kept_as_it_was_written(pipeline: settings.Settings, texts: list[str]) -> None:
    rows = [
        annotation(clip_of(n), f"rater {text}"[:200], **dict.fromkeys(contract.TEXT_FIELDS, text))
        for n, text in enumerate(texts)
    ]
    assert merge(rows, "'; drop table catalog.label; --<b>.jsonl")["accepted"] == len(texts)
    for row in sql("select * from catalog.annotation order by clip_id"):
        text = texts[int(row["clip_id"][17:19])].strip()
        assert {row[name] for name in contract.TEXT_FIELDS} == {text}
        assert row["flagged_fields"] == (list(contract.TEXT_FIELDS) if texts is PERSONAL else [])
    assert merge(rows)["repeated"] == len(texts)


def test_personal_texts_are_in_no_file_of_a_release(pipeline: settings.Settings) -> None:
    for n, text in enumerate(PERSONAL):
        clip_id = ready_clip(f"abcdefghi{n:02}", channel=f"channel {n}")
        # Two of three wrote it alike, so that it would win each vote if it took part.
        fields = dict.fromkeys(contract.TEXT_FIELDS, text)
        merge([annotation(clip_id, who, **fields) for who in ("ada", "bo")])
        merge([annotation(clip_id, "cy", transcription="good morning", audio_description="a room")])
    sql("update catalog.source set licence = 'CC BY-NC-ND 4.0' where source_id = 'youtube:abcdefghi00'")
    publish_unchecked(VERSION)
    files = dict(published())
    assert {"votes.parquet", "clips.parquet", "links.parquet", "README.md", "croissant.json"} <= {
        path.split("/")[2] for path in files
    }
    assert sum(path.endswith(".json") and ".tar/" in path for path in files) == len(PERSONAL) - 1
    for path, text in files.items():
        for personal in ("lovelace", "7946", "555-123", "[at]"):
            assert personal not in text, path
    assert files[f"releases/{VERSION}/votes.parquet"].count("good morning") == len(PERSONAL)
    votes = pq.read_table(io.BytesIO(store.read_bytes(f"releases/{VERSION}/votes.parquet")))
    # Of free text, votes have the transcription alone; and no name of an annotator.
    assert set(contract.TEXT_FIELDS) & set(votes.column_names) == {"transcription"}
    assert not {"ada", "bo", "cy"} & set(votes["annotator"].to_pylist())


def test_hostile_texts_are_data_in_every_file_of_a_release(pipeline: settings.Settings) -> None:
    for n, text in enumerate(HOSTILE):
        clip_id = ready_clip(f"abcdefghi{n:02}", channel=f"channel {n}")
        fields = dict.fromkeys(contract.TEXT_FIELDS, text)
        merge([annotation(clip_id, f"<b>rater</b> {r}", **fields) for r in range(3)])
    publish_unchecked(VERSION)
    release.verify(VERSION)
    votes = pq.read_table(io.BytesIO(store.read_bytes(f"releases/{VERSION}/votes.parquet"))).to_pylist()
    assert {row["transcription"] for row in votes} == {text.strip() for text in HOSTILE}
    files = dict(published())
    card = files[f"releases/{VERSION}/README.md"]
    for part in ("<script", "<img src", "drop table", "alert(", "\x1b", "\u202e", "<b>rater"):
        assert part not in card


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)


def test_the_page_and_the_shell_show_text_and_obey_none(
    pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clip_id = ready_clip("abcdefghijk")
    merge([annotation(clip_id, f"rater {n}", transcription=text) for n, text in enumerate(HOSTILE)])
    merge([annotation(clip_id, "x", gender=text) for text in HOSTILE], f"{HOSTILE[0]}.jsonl")
    merge([annotation(clip_id, text.strip()[:200]) for text in HOSTILE])
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(settings.ROOT / "plugins"))
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.testclient import TestClient
    from open_empathic import page

    app = page.make_app()
    app.dependency_overrides[get_user] = lambda: object()
    tags = _Tags()
    html = TestClient(app).get("/").text
    tags.feed(html)
    assert "&lt;script&gt;" in html
    assert not tags.seen & {"script", "img", "b"}
    for verb in (["clip", "show", clip_id], ["annotators", "list"], ["annotators", "show"], ["status", "--refused"]):
        for form in ([], ["--json"]):
            output = CliRunner().invoke(cli.main, ["--catalog", str(pipeline.catalog_url), *form, *verb]).output
            assert "<script>" in output
            assert not set(output) & {"\x1b", "\x07", "\x9b", "\u202e"}, (verb, form)
            if form and verb[0] == "clip":
                said = {row["transcription"] for row in json.loads(output)["annotations"]}
                assert {text.strip() for text in HOSTILE} <= said
        settings.configure(**pipeline.model_dump())
