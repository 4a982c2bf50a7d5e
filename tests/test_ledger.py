"""The ledger of faults: what is tried again, when, and by whose word."""

import pytest
from conftest import Web, chirp, sql

from include import faults, harvest, harvest_plan, ledger, settings, transcode

pytestmark = pytest.mark.usefixtures("pipeline")

pytestmark = pytest.mark.usefixtures("tones_are_taken")


def statuses(web: Web) -> dict[str, str]:
    """Addresses that end in a class each; the classes by address."""
    return {
        web.add("gone.mp4", status=404): "gone",
        web.add("closed.mp4", status=403): "refused",
        web.add("down.mp4", status=503): "transient",
        web.add("about", "<html><body>About us</body></html>"): "unsupported",
    }


def test_a_class_is_retried_due_or_not_with_the_times_it_was_given(web: Web, recording) -> None:
    urls = statuses(web)
    down = f"{web.url}/down.mp4"
    harvest.harvest_batch([url for url in urls if url != down])
    harvest.harvest_batch([f"{down}#t=0,1", f"{down}#t=1.5,2"])
    assert ledger.addresses_to_retry("transient") == [f"{down}#t=0,1", f"{down}#t=1.5,2"]
    assert ledger.addresses_to_retry("refused") == [f"{web.url}/closed.mp4"]
    assert ledger.addresses_to_retry("due") == []
    web.add("down.mp4", recording("down.mp4", 3))
    [batch] = harvest_plan.plan_batches(retry="transient")
    assert harvest.harvest_batch(**batch) == {"new_sources": 1, "new_clips": 2}
    assert harvest_plan.plan_batches(retry="transient") == []


def test_times_that_were_asked_for_during_the_wait_are_asked_then(web: Web, recording) -> None:
    url = web.add("down.mp4", status=503)
    harvest.harvest_batch([f"{url}#t=0,1"])
    assert harvest.harvest_batch([f"{url}#t=1,2"]) == {"skipped": 1}
    web.add("down.mp4", recording("down.mp4", 3))
    assert harvest.harvest_batch(**harvest_plan.plan_batches(retry="transient")[0])["new_clips"] == 2


def test_gone_is_for_good_and_nonsense_no_class() -> None:
    for retry in ("gone", "ok", "sometimes"):
        with pytest.raises(ValueError, match="is none of due, refused"):
            harvest_plan.plan_batches(retry=retry)
        with pytest.raises(ValueError, match="is none of due, refused"):
            transcode.plan_batches(retry=retry)


def test_a_run_without_addresses_takes_what_is_due_along(web: Web) -> None:
    url = web.add("down.mp4", status=503)
    harvest.harvest_batch([url])
    assert harvest_plan.plan_batches() == []
    sql("update catalog.address set next_try_at = now()")
    assert [batch["urls"] for batch in harvest_plan.plan_batches()] == [[url]]
    assert [batch["urls"] for batch in harvest_plan.plan_batches(retry="due")] == [[url]]


def test_what_broke_is_due_once_yt_dlp_is_another(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    url = web.add("buggy.mp4")
    with harvest.catalog.connect() as connection:
        ledger.record(connection, "harvest", url, faults.Fault("broken", "KeyError"), given=[url])
    assert ledger.addresses_to_retry("due") == []
    assert harvest.harvest_batch([url]) == {"skipped": 1}
    monkeypatch.setattr(faults, "tool_version", lambda: "2099.01.01")
    assert ledger.addresses_to_retry("due") == [url]
    assert "skipped" not in harvest.harvest_batch([url])


def test_a_download_is_retried_by_class_and_by_due(web: Web, recording) -> None:
    talk, other = (web.add(name, recording(name, 2)) for name in ("talk.m4a", "other.m4a"))
    fresh = web.add("fresh.m4a", recording("fresh.m4a", 2))
    harvest.harvest_batch([f"{talk}#t=0,1", f"{other}#t=0,1"])
    content = web.answers["/talk.m4a"][2]
    backwards = recording("backwards.m4a", 2, samples=chirp(2)[::-1])
    web.add("talk.m4a", status=503)
    web.add("other.m4a", status=403)
    [batch] = transcode.plan_batches()
    assert transcode.transcode_batch(batch) == {"failed": 1, "rejected": 1}
    harvest.harvest_batch([f"{fresh}#t=0,1"])
    assert transcode.plan_batches(retry="due") == []
    web.add("talk.m4a", content, content_type="audio/mp4")
    web.add("other.m4a", backwards)
    assert transcode.plan_batches(retry="refused", dry_run=True) == []
    assert sql("select count(*) as n from catalog.clip where state = 'rejected'")[0]["n"] == 1
    for retry in ("transient", "refused"):
        [batch] = transcode.plan_batches(retry=retry)
        assert transcode.transcode_batch(batch) == {"ready": 1}
    assert len(transcode.plan_batches()[0]) == 1  # the fresh one


def test_an_uncut_source_that_broke_is_cut_after_all(web: Web, recording) -> None:
    url = web.add("talk.m4a", b"\0" * 5000)
    harvest.harvest_batch([url])
    assert transcode.transcode_batch(transcode.plan_batches()[0]) == {"refused_sources": 1}
    assert transcode.plan_batches() == []
    web.add("talk.m4a", recording("talk.m4a", 3))
    assert transcode.transcode_batch(transcode.plan_batches(retry="broken")[0]) == {"ready": 1}


def test_after_quota_the_rest_of_the_batch_waits_untouched(web: Web, recording) -> None:
    busy = web.add("busy.mp4", status=429)
    rest = [web.add(f"{n}.mp4", recording("talk.mp4", 1)) + "#t=0,1" for n in range(3)]
    assert harvest.harvest_batch([busy, *rest]) == {"quota": 1, "waiting": 3}
    assert web.requests == ["/busy.mp4"]
    assert harvest.harvest_batch(rest) == {"waiting": 3}
    waiting = sql("select * from catalog.address where outcome = 'waiting'")
    until = sql("select open_until from catalog.site")[0]["open_until"]
    assert {row["next_try_at"] for row in waiting} == {until}
    sql("update catalog.site set open_until = now()")
    sql("update catalog.address set next_try_at = now() where outcome = 'waiting'")
    [batch] = harvest_plan.plan_batches(retry="due")
    assert sorted(batch["urls"]) == sorted(rest)
    assert harvest.harvest_batch(**batch) == {"new_sources": 3, "new_clips": 3}
    assert sql("select n_quota from catalog.site")[0]["n_quota"] == 0


def test_a_breaker_that_opens_again_stays_open_for_longer(web: Web) -> None:
    busy = [web.add(f"{n}.mp4", status=429) for n in range(3)]
    waits_s = []
    for url in busy:
        assert harvest.harvest_batch([url]) == {"quota": 1}
        row = sql("select extract(epoch from open_until - now())::float as wait_s from catalog.site")[0]
        waits_s.append(row["wait_s"])
        sql("update catalog.site set open_until = now()")
    first_s = settings.current().breaker_s
    for wait_s, full_s in zip(waits_s, (first_s, 2 * first_s, 4 * first_s), strict=True):
        assert full_s - 5 <= wait_s <= 1.25 * full_s


def test_a_download_waits_for_its_site_too(web: Web, recording) -> None:
    urls = [web.add(name, recording(name, 2)) for name in ("a.m4a", "b.m4a")]
    harvest.harvest_batch([f"{url}#t=0,1" for url in urls])
    for name in ("a.m4a", "b.m4a"):
        web.add(name, status=429)
    assert transcode.transcode_batch(transcode.plan_batches()[0]) == {"failed": 1, "waiting_sources": 1}
    assert sql("select count(*) as n from catalog.clip where state = 'candidate'")[0]["n"] == 1


def test_all_workers_together_keep_a_sites_pace(web: Web) -> None:
    import time
    from concurrent.futures import ThreadPoolExecutor

    from include import catalog, politeness

    settings.configure(**settings.current().model_dump() | {"site_requests_per_minute": 600})

    def ask(_: int) -> None:
        with catalog.connect() as connection:
            politeness.wait_turn(connection, f"{web.url}/talk.mp4")

    started_at = time.monotonic()
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(ask, range(12)))
    assert time.monotonic() - started_at >= 11 * 0.1
