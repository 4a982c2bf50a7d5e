import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import soundfile
import webdataset
from moto.server import ThreadedMotoServer

from examples.stream_release import dataset
from include import checks, release, settings, store
from local.serve import serving
from tests.conftest import RATE_HZ, agreed, chirp, ready_clip, sql

VERSION = "2026.01.01"
SCRIPT = settings.ROOT / "examples" / "stream_release.py"


@pytest.fixture
def folder(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release of eight clips of one channel, two a shard; the loud ones are called excited."""
    monkeypatch.setattr(
        checks, "check_release", lambda v, **_: store.write_bytes(f"releases/{v}/checks/results.json", b"[]")
    )
    settings.configure(**{**pipeline.model_dump(), "shard_samples": 2})
    for n in range(8):
        clip_id = ready_clip("abcdefghijk", n * 1000, channel="One")
        audio = io.BytesIO()
        soundfile.write(audio, chirp(0.5) * (1 if n % 2 else 0.02), RATE_HZ, "PCM_16", format="FLAC")
        sha256 = store.put_audio(audio.getvalue())
        sql("update catalog.clip set audio_sha256 = %s where clip_id = %s", sha256, clip_id)
        agreed([clip_id], arousal=8 if n % 2 else 2)
    release.build(VERSION)
    return Path(store.url(f"releases/{VERSION}").removeprefix("file://"))


def command(*arguments: str) -> list[str]:
    (split,) = release.read_manifest(VERSION)["splits"]
    return [sys.executable, str(SCRIPT), "--split", split, *arguments]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The example, without anything of ours on its path."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=clean, cwd="/", check=False)


def test_it_learns_from_a_folder_and_says_how_fast(folder: Path) -> None:
    done = run(str(folder), "--epochs", "12", "--verify")
    assert done.returncode == 0, done.stderr
    losses = [float(found) for found in re.findall(r"squared error ([0-9.]+)", done.stdout)]
    assert losses[-1] < 9.0 / 3 < losses[0]
    assert len(re.findall(r"8 samples, .*?the mean alone: 9.00\), [1-9][0-9]* samples/s", done.stdout)) == 12


def test_a_killed_run_goes_on_as_if_it_had_not_been(folder: Path, tmp_path: Path) -> None:
    whole, resumed = tmp_path / "whole.json", tmp_path / "resumed.json"
    given = (str(folder), "--epochs", "3", "--save-every", "1", "--state")
    assert run(*given, str(whole)).returncode == 0
    killed = subprocess.Popen(command(*given, str(resumed)), stdout=subprocess.PIPE, text=True, cwd="/")
    assert killed.stdout is not None
    while not (resumed.exists() and json.loads(resumed.read_text())["n_seen"] >= 3):
        assert killed.poll() is None
    killed.kill()
    killed.communicate()
    assert json.loads(resumed.read_text())["epoch"] < 3
    assert run(*given, str(resumed)).returncode == 0
    assert json.loads(resumed.read_text()) == json.loads(whole.read_text())


def test_an_epoch_is_as_long_as_it_is_told(folder: Path) -> None:
    done = run(str(folder), "--epochs", "2", "--samples-per-epoch", "5")
    assert re.findall(r"epoch \d: (\d+) samples", done.stdout) == ["5", "5"]


def test_it_streams_from_s3(folder: Path) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        client = boto3.client("s3", "us-east-1", endpoint_url=endpoint, aws_access_key_id="test",
                              aws_secret_access_key="test")  # fmt: skip
        client.create_bucket(Bucket="stream")
        for path in (path for path in folder.rglob("*") if path.is_file()):
            client.upload_file(str(path), "stream", f"data/{VERSION}/{path.relative_to(folder)}")
        done = run(f"s3://stream/data/{VERSION}", "--epochs", "1", "--verify", AWS_ENDPOINT_URL=endpoint, **keys)
    finally:
        server.stop()
    assert "epoch 0: 8 samples" in done.stdout, done.stderr


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


def test_it_reads_as_webdatasets_own_reader_does(folder: Path) -> None:
    addresses = [str(path) for path in sorted(folder.rglob("*.tar"))]
    theirs = webdataset.WebDataset(addresses, shardshuffle=False, nodesplitter=iter).shuffle(500, seed=7)
    wanted = [{name: sample[name] for name in ("__key__", "__url__", "flac", "json")} for sample in theirs]
    assert len(wanted) == 8
    assert list(dataset(addresses, 7)) == wanted
    with serving(folder) as url:
        served = [f"{url}/{path.relative_to(folder)}" for path in sorted(folder.rglob("*.tar"))]
        assert [sample["flac"] for sample in dataset(served, 7)] == [sample["flac"] for sample in wanted]


def test_a_shard_that_is_cut_off_is_not_passed_over(folder: Path) -> None:
    tar = sorted(folder.rglob("*.tar"))[0]
    whole = tar.read_bytes()
    n_used = len(whole.rstrip(b"\0"))
    for n_bytes in (0, 100, 512, 5000, 5120, n_used, n_used // 512 * 512):
        tar.write_bytes(whole[:n_bytes])
        with pytest.raises(EOFError, match="is cut off"):
            list(dataset([str(tar)], 0))


def test_it_refuses_another_manifest_and_a_damaged_shard(folder: Path) -> None:
    pinned = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert run(str(folder), "--manifest-sha256", pinned, "--epochs", "1").returncode == 0
    assert "not 00" in run(str(folder), "--manifest-sha256", "00").stderr
    tar = sorted(folder.rglob("*.tar"))[0]
    tar.write_bytes(tar.read_bytes()[:-512])
    assert "is damaged" in run(str(folder), "--verify").stderr
