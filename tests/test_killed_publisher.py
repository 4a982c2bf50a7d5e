"""Publishers in processes of their own: killed at any point, two at once, on a full disk; on disk and on S3."""

import contextlib
import json
import multiprocessing
import os
import random
import resource
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from moto.server import ThreadedMotoServer

from include import card, checks, release, settings, shards, store
from tests.conftest import agreed, annotation, merge, no_checks, plain_card, ready_clip, sql

pytestmark = pytest.mark.usefixtures("quick")

V1, V2 = "2026.01.01", "2026.01.02"
N_KILLS = 50
Files = dict[str, bytes]
Outcome = tuple[str, str]


@pytest.fixture(scope="module")
def s3_endpoint_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(params=["file", "s3"])
def clip_ids(request: pytest.FixtureRequest, pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of three releasable clips, two a shard, on disk and then on S3."""
    given: dict[str, Any] = {"shard_samples": 2}
    if request.param == "s3":
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        endpoint = request.getfixturevalue("s3_endpoint_url")
        httpx.post(f"{endpoint}/moto-api/reset")
        given |= {"store_url": f"s3://empathic-{uuid4().hex}/data", "s3_endpoint_url": endpoint}
    settings.configure(**{**pipeline.model_dump(), **given})
    if request.param == "s3":
        store._resolve()[0].mkdir(settings.current().store_root.split("/")[2])
    clips = [ready_clip("abcdefghijk", n * 1000, channel="One", duration_s=0.1) for n in range(3)]
    agreed(clips)
    return clips


def files() -> Files:
    """What the store holds below `releases`; on S3 in few requests, side by side."""
    file_system, root = store._resolve()
    found = file_system.cat(file_system.find(f"{root}/releases"))
    return {path.removeprefix(f"{root}/"): content for path, content in found.items() if not path.endswith(".part")}


def remove_v2() -> None:
    """Make it as it was before anybody began V2."""
    file_system, root = store._resolve()
    if store.exists(f"releases/{V2}"):
        file_system.rm(f"{root}/releases/{V2}", recursive=True)
    sql("delete from catalog.release where version = %s", V2)
    release.promote(V1)


# A process that builds


def publish(given: dict[str, Any], environment: dict[str, str], answer: Connection, max_file_bytes: int | None) -> None:
    """Build V2 with these settings; say "ready", wait for a word, build, say what came of it."""
    # A fork server keeps the environment that it was started with, which had no key of an S3 server.
    os.environ.update(environment)
    settings.configure(**given)
    card.write, checks.check_release = plain_card, no_checks  # type: ignore[assignment]
    if max_file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
    answer.send("ready")
    answer.recv()
    try:
        frozen = release.build(V2)
        answer.send(("built" if frozen["is_changed"] else "unchanged", ""))
    except (release.ReleaseError, shards.Damaged) as error:
        answer.send(("refused", str(error)))
    except OSError as error:
        answer.send(("failed", str(error)))


class Publisher:
    """A process that stands ready to build V2."""

    def __init__(self, given: dict[str, Any] | None = None, max_file_bytes: int | None = None) -> None:
        # Not forked from here: threads that talk to S3 don't outlive a fork.
        context = multiprocessing.get_context("forkserver")
        # What is imported here is not imported in each publisher, where most kills would hit it.
        context.set_forkserver_preload(
            ["tests.test_killed_publisher", "s3fs", "fsspec.implementations.local", "psycopg", "webdataset", "pandas",
             "soundfile", "pyarrow.compute", "pyarrow.json", "pyarrow.pandas_compat", "pyarrow.parquet"]
        )  # fmt: skip
        self.answer, theirs = context.Pipe()
        environment = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "OPEN_EMPATHIC_"))}
        self.process = context.Process(
            target=publish, args=(given or settings.current().model_dump(), environment, theirs, max_file_bytes)
        )
        self.process.start()
        theirs.close()
        assert self.answer.poll(60)
        assert self.answer.recv() == "ready"

    def start(self) -> None:
        self.answer.send("go")

    def outcome(self) -> Outcome:
        """How it ended, and why."""
        found: Outcome = self.answer.recv()
        self.process.join()
        return found

    def is_killed_after(self, delay_s: float) -> bool:
        """Kill it so long after its start; whether it was still at work."""
        self.start()
        self.answer.poll(delay_s)
        self.process.kill()
        self.process.join()
        with contextlib.suppress(EOFError, ConnectionError):
            return not self.answer.poll(0) or not self.answer.recv()
        return True


def changed(clip_ids: list[str]) -> None:
    """What V2 has and V1 has not: a changed label, a new clip."""
    merge([annotation(clip_ids[0], "rater-0", arousal=9)])
    agreed([ready_clip("bcdefghijkl", channel="One", duration_s=0.1)])


@pytest.mark.timeout(900)
def test_killed_at_any_point_it_is_resumed_to_the_same_bytes(clip_ids: list[str]) -> None:
    release.build(V1)
    changed(clip_ids)
    publisher = Publisher()
    publisher.start()
    began = time.monotonic()
    assert publisher.outcome() == ("built", "")
    took_s = time.monotonic() - began
    whole = files()
    rng = random.Random(6)
    n_killed = 0
    for _ in range(N_KILLS):
        remove_v2()
        delay_s = rng.uniform(0, took_s)
        if Publisher().is_killed_after(delay_s):
            n_killed += 1
        else:
            took_s = delay_s  # the machine is less busy than it was
        if V2 in release.published_versions():
            release.verify(V2)
        else:
            assert release.latest_version() == V1
        release.build(V2)
        assert files() == whole
        assert sql("select state from catalog.release where version = %s", V2) == [{"state": "published"}]
    assert n_killed >= N_KILLS / 2
    release.verify(V1)


def test_two_at_once_on_one_catalog_make_one_release(clip_ids: list[str]) -> None:
    release.build(V1)
    changed(clip_ids)
    both = [Publisher(), Publisher()]
    for publisher in both:
        publisher.start()
    outcomes = [publisher.outcome() for publisher in both]
    assert {how for how, _ in outcomes} <= {"built", "unchanged", "refused"}
    if "built" not in {how for how, _ in outcomes}:
        release.build(V2)  # each disturbed the other: nothing was published, and the next run is as any
    assert release.latest_version() == V2
    assert release.verify(V2)["samples"] == 4


@pytest.fixture
def other_catalog(clip_ids: list[str]) -> dict[str, Any]:
    """Settings of the same store on a catalog of its own, with the same clips, labelled otherwise."""
    url = settings.current().catalog_url or ""
    name, other = url.split("/")[3].split("?")[0], f"test_{uuid4().hex}"
    admin = url.replace(f"/{name}?", "/postgres?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"create database {other} template {name}")  # names made by tests
    mine = settings.current().model_dump()
    theirs = {**mine, "catalog_url": url.replace(name, other)}
    settings.configure(**theirs)
    merge([annotation(clip_ids[1], "rater-0", arousal=1)])
    settings.configure(**mine)
    return theirs


def test_of_two_at_once_on_two_catalogs_exactly_one_wins(clip_ids: list[str], other_catalog: dict[str, Any]) -> None:
    both = [Publisher(), Publisher(other_catalog)]
    for publisher in both:
        publisher.start()
    outcomes = sorted(publisher.outcome() for publisher in both)
    assert outcomes[0] == ("built", "")
    # Who comes when the other has ended finds the version published, and leaves it.
    assert outcomes[1][0] == "unchanged" or (outcomes[1][0] == "refused" and "another publisher" in outcomes[1][1])
    assert release.verify(V2)["samples"] == 3


def test_a_version_that_another_catalog_makes_is_left_to_it(clip_ids: list[str], other_catalog: dict[str, Any]) -> None:
    release.freeze(V2)
    before = files()
    publisher = Publisher(other_catalog)
    publisher.start()
    how, why = publisher.outcome()
    assert how == "refused"
    assert f"makes release {V2}; if it is gone for good, delete {store.url('releases/claims/')}" in why
    assert files() == before
    release.build(V2)
    assert release.verify(V2)["samples"] == 3
    assert not any("claims" in path for path in files())


@pytest.mark.parametrize("clip_ids", ["file"], indirect=True)
@pytest.mark.parametrize("max_file_bytes", [0, 3000, 20_000])
def test_a_disk_that_takes_no_more_leaves_the_latest_release(clip_ids: list[str], max_file_bytes: int) -> None:
    release.build(V1)
    changed(clip_ids)
    before = files()
    publisher = Publisher(max_file_bytes=max_file_bytes)
    publisher.start()
    how, why = publisher.outcome()
    assert (how, "File too large" in why) == ("failed", True)
    kept = {path: content for path, content in files().items() if V2 not in path}
    assert kept == before
    assert json.loads(store.read_bytes(release.LATEST))["version"] == V1
    root = store._resolve()[1]
    assert not [name for _, _, names in os.walk(root) for name in names if name.endswith(".part")]
    release.build(V2)
    assert release.verify(V2)["samples"] == 4
