"""Sources that are known before their metadata is read: named by an annotation, or by a manifest."""

from typing import Any

import pytest
from conftest import agreed, annotation, merge, ready_clip, sql

from include import harvest, harvest_plan, release, settings, transcode, ytdlp

pytestmark = pytest.mark.usefixtures("pipeline")


def name(url: str, start_s: float = 1, end_s: float = 9) -> None:
    """Let an annotator name a clip by its address and times."""
    row = annotation("x", "ada", url=url, start_s=start_s, end_s=end_s)
    del row["clip_id"]
    assert merge([row])["candidates"] == 1


def answer(monkeypatch: pytest.MonkeyPatch, *recordings: dict[str, Any]) -> list[str]:
    """Let yt-dlp find these recordings wherever it is asked; what it was asked."""
    asked: list[str] = []

    def extract(url: str, *options: Any) -> tuple[list[dict[str, Any]], list[str]]:
        asked.append(url)
        return [{"webpage_url": url, "extractor_key": "Youtube", "id": url[-11:], **said} for said in recordings], []

    monkeypatch.setattr(ytdlp, "extract", extract)
    return asked


def harvest_all() -> dict[str, int]:
    """One night; what it counted."""
    counts: dict[str, int] = {}
    for batch in harvest_plan.plan_batches():
        counts |= harvest.harvest_batch(**batch)
    return counts


def test_what_an_annotation_names_is_read_before_it_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    name("https://youtu.be/aaaaaaaaaaa")
    assert transcode.plan_batches() == []
    asked = answer(monkeypatch, {"channel_id": "UC1", "license": "CC BY", "duration": 60})
    assert harvest_all()["known_sources"] == 1
    [source] = sql("select speaker_group, licence, is_unread from catalog.source")
    assert source == {"speaker_group": "youtube:UC1", "licence": "CC BY", "is_unread": False}
    assert transcode.plan_batches() == [["youtube:aaaaaaaaaaa"]]
    assert harvest_all() == {}
    assert asked == ["https://www.youtube.com/watch?v=aaaaaaaaaaa"]


def test_what_is_refused_ends_its_clips_and_may_be_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    name("https://youtu.be/aaaaaaaaaaa")
    answer(monkeypatch, {"age_limit": 18})
    assert harvest_all() == {"refused": 1}
    [clip] = sql("select state, reason from catalog.clip")
    assert clip == {"state": "rejected", "reason": "refused: for an age of 18 and above"}
    answer(monkeypatch, {})
    harvest.harvest_batch(**harvest_plan.plan_batches(retry="refused")[0])
    assert sql("select state, reason from catalog.clip") == [{"state": "candidate", "reason": None}]
    assert transcode.plan_batches() == [["youtube:aaaaaaaaaaa"]]


def test_a_source_keeps_the_id_that_its_clips_hang_on(monkeypatch: pytest.MonkeyPatch) -> None:
    name("https://talks.example/watch/7")
    [before] = sql("select source_id, url from catalog.source")
    answer(
        monkeypatch, {"extractor_key": "Talks", "id": "7", "webpage_url": "https://www.talks.example/7", "channel": "c"}
    )
    harvest_all()
    assert sql("select source_id, url from catalog.source") == [before]
    assert sql("select speaker_group from catalog.source") == [{"speaker_group": "talks:c"}]


def test_an_address_that_was_read_before_it_was_named_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {"extractor_key": "Talks", "id": "7", "channel": "c"})
    harvest.harvest_batch(["https://talks.example/watch/7"])
    name("https://talks.example/watch/7")
    assert harvest_all()["known_sources"] == 1
    groups = sql("select distinct speaker_group, is_unread from catalog.source")
    assert groups == [{"speaker_group": "talks:c", "is_unread": False}]


def test_an_address_of_several_recordings_names_no_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    name("https://talks.example/all")
    both = [{"extractor_key": "Talks", "id": n, "webpage_url": f"https://talks.example/{n}"} for n in ("1", "2")]
    answer(monkeypatch, *both)
    assert harvest_all()["new_sources"] == 2
    [clip] = sql("select state, reason from catalog.clip where state <> 'candidate'")
    assert clip == {"state": "rejected", "reason": "refused: 2 recordings are there"}
    assert harvest_all() == {}


def in_split(split: str) -> str:
    """A YouTube channel whose speaker group belongs to a split."""
    [row] = sql(
        "select channel from (select 'UC' || n as channel from generate_series(1, 1000) as n) as found"
        " where catalog.split_of('youtube:' || channel) = %s limit 1",
        split,
    )
    return str(row["channel"])


@pytest.mark.parametrize("moves", [False, True])
def test_a_speaker_group_that_is_known_late_divides_no_channel_and_moves_no_clip(
    monkeypatch: pytest.MonkeyPatch, moves: bool
) -> None:
    """A source was released before anyone read whose channel it is of, as annotations made them once."""
    current = settings.current().model_dump()
    settings.configure(**current | {"min_raters": 1})
    late = ready_clip("aaaaaaaaaaa")
    sql("update catalog.source set speaker_group = source_id, is_unread = true")
    was_in = str(sql("select catalog.split_of(speaker_group) as split from catalog.source")[0]["split"])
    assert was_in == "test"
    channel = in_split("train" if moves else "test")
    other = ready_clip("bbbbbbbbbbb", channel=f"youtube:{channel}")
    agreed([late, other])
    release.build("2026.01.01")
    answer(monkeypatch, {"channel_id": channel})
    harvest_all()
    agreed([other], n_raters=4)
    release.build("2026.01.02")
    splits = sql("select clip_id, split from catalog.release_clip where version = '2026.01.02' order by 1")
    if moves:
        assert splits == [{"clip_id": other, "split": "train"}]
        [clip] = sql("select reason from catalog.clip where clip_id = %s", late)
        assert clip["reason"].startswith("divided: ")
    else:
        assert splits == [{"clip_id": late, "split": "test"}, {"clip_id": other, "split": "test"}]
    [divided] = sql("select count(distinct catalog.split_of(speaker_group)) as n from catalog.source")
    assert divided == {"n": 1}
