import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from include import checks, release, settings, store
from local.serve import serving
from tests.conftest import agreed, ready_clip

VERSION = "2026.01.01"
SCRIPT = settings.ROOT / "examples" / "stream_release.py"


@pytest.fixture
def folder(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release of eight clips of one channel, two a shard."""
    monkeypatch.setattr(
        checks, "check_release", lambda v, **_: store.write_bytes(f"releases/{v}/checks/results.json", b"[]")
    )
    settings.configure(**{**pipeline.model_dump(), "shard_samples": 2})
    agreed([ready_clip("abcdefghijk", n * 1000, channel="One") for n in range(8)], arousal=7)
    release.build(VERSION)
    return Path(store.url(f"releases/{VERSION}").removeprefix("file://"))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The example, without anything of ours on its path."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    (split,) = release.read_manifest(VERSION)["splits"]
    command = [sys.executable, str(SCRIPT), "--split", split, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=clean, cwd="/", check=False)


def test_it_learns_from_a_folder_and_says_how_fast(folder: Path) -> None:
    done = run(str(folder), "--epochs", "6", "--verify")
    assert done.returncode == 0, done.stderr
    losses = [float(found) for found in re.findall(r"error ([0-9.]+)", done.stdout)]
    assert losses[-1] < losses[0] / 10
    assert re.findall(r"8 samples, .*?, [1-9][0-9]* samples/s", done.stdout)


def test_it_streams_from_a_web_server(folder: Path) -> None:
    with serving(folder.parent) as url:
        done = run(f"{url}/{VERSION}", "--epochs", "1")
    assert "epoch 0: 8 samples" in done.stdout, done.stderr


def test_ranks_share_the_full_shards(folder: Path) -> None:
    for rank in ("0", "1"):
        done = run(str(folder), "--epochs", "1", RANK=rank, WORLD_SIZE="2")
        assert "epoch 0: 4 samples" in done.stdout, done.stderr
    done = run(str(folder), RANK="0", WORLD_SIZE="5")
    assert "4 full shards for 5 ranks" in done.stderr


def test_it_refuses_another_manifest_and_a_damaged_shard(folder: Path) -> None:
    pinned = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert run(str(folder), "--manifest-sha256", pinned, "--epochs", "1").returncode == 0
    assert "not 00" in run(str(folder), "--manifest-sha256", "00").stderr
    tar = sorted(folder.rglob("*.tar"))[0]
    tar.write_bytes(tar.read_bytes()[:-512])
    assert "is damaged" in run(str(folder), "--verify").stderr
