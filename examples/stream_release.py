"""Stream a release with nothing but `webdataset` and its manifest, and learn something small from it.

    python examples/stream_release.py releases/2026.11.24                    # a folder
    python examples/stream_release.py https://host/releases/2026.11.24       # HTTP, and S3 that anyone may read
    python examples/stream_release.py s3://bucket/releases/2026.11.24        # S3, by addresses signed for an hour

Needs `webdataset`, `numpy` and `soundfile`; for s3:// also `boto3`, which signs the addresses. RANK and WORLD_SIZE, as
torchrun sets them, share the shards out. `--state FILE` keeps how far it came; killed, it goes on from there.
"""

import argparse
import hashlib
import io
import json
import os
import time
import urllib.request
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import webdataset
from webdataset.tariterators import group_by_keys, url_opener

BLOCK_BYTES = 512
BANDS = 24
SIGNED_S = 3600
Model = dict[str, list[float]]


def readable(address: str) -> str:
    """A file's address as urllib and webdataset open it: s3:// is signed, with the usual AWS_* settings."""
    if not address.startswith("s3://"):
        return address
    import boto3

    bucket, _, key = address.removeprefix("s3://").partition("/")
    client = boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
    return str(client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}, SIGNED_S))


def fetch(address: str) -> bytes:
    """The bytes of a file of a release."""
    if "://" not in address:
        return Path(address).read_bytes()
    with urllib.request.urlopen(readable(address)) as answer:
        return bytes(answer.read())


def read_manifest(root: str, sha256: str | None) -> dict[str, Any]:
    """The manifest below `root`. Raises SystemExit if its SHA-256 is not the one that was pinned."""
    content = fetch(f"{root}/manifest.json")
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        raise SystemExit(f"the manifest's SHA-256 is {found}, not {sha256}")
    manifest: dict[str, Any] = json.loads(content)
    return manifest


def verify(root: str, manifest: dict[str, Any]) -> None:
    """Compare every shard with the manifest: webdataset itself passes over most damage. Raises SystemExit."""
    for shard in (shard for split in manifest["splits"].values() for shard in split["shards"]):
        if hashlib.sha256(fetch(f"{root}/{shard['path']}")).hexdigest() != shard["sha256"]:
            raise SystemExit(f"{shard['path']} is damaged: fetch it again")


def own_shards(root: str, split: dict[str, Any], rank: int, n_ranks: int) -> list[str]:
    """The shards of one rank: every n-th of the full ones, as many for each; of all if there is one rank."""
    if n_ranks == 1:
        return [f"{root}/{shard['path']}" for shard in split["shards"]]
    full = split["full_shards"]
    if len(full) < n_ranks:
        raise SystemExit(f"{len(full)} full shards for {n_ranks} ranks: some would get nothing and the others hang")
    return [f"{root}/{path}" for path in full[: len(full) // n_ranks * n_ranks][rank::n_ranks]]


def files(shards: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Files of opened shards, as webdataset's `tar_file_expander` gives them, in a fifth of its time.

    It reads by `tarfile`, which takes 10 kB at a time and copies each file several times. A release's tars are plain: a
    header with the name and the size, the bytes, zeros up to a whole block. Raises EOFError if a shard is cut off, also
    between two samples, where webdataset passes over it.
    """
    for shard in shards:
        tar, address = shard["stream"], shard["url"]
        while (header := tar.read(BLOCK_BYTES)) != bytes(BLOCK_BYTES):
            n_bytes = int(header[124:135] or b"0", 8)
            content, padding = tar.read(n_bytes), tar.read(-n_bytes % BLOCK_BYTES)
            if len(header) + len(content) + len(padding) < BLOCK_BYTES + n_bytes:
                raise EOFError(f"{address} is cut off")
            yield {"fname": header[:100].rstrip(b"\0").decode(), "data": content, "__url__": address}
        yield {}  # the end of a shard, at which no sample goes on


def dataset(addresses: list[str], seed: int) -> Iterable[dict[str, Any]]:
    """Samples of these shards, shuffled: what `WebDataset(addresses, nodesplitter=iter).shuffle(500)` gives."""
    # The list is one rank's share already: only its workers, if it has any, divide it again.
    return webdataset.DataPipeline(
        webdataset.SimpleShardList(addresses),
        webdataset.split_by_worker,
        url_opener,
        files,
        group_by_keys,
        webdataset.shuffle(500, seed=seed),
    )


def stream(addresses: list[str], seed: int, n_skipped: int = 0) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Samples of one epoch: log band energies of shape (BANDS,), and the label. The same seed is the same order."""
    order = [readable(str(address)) for address in np.random.default_rng(seed).permutation(addresses)]
    # Resumed: the first were seen before, and are not decoded again.
    for sample in islice(dataset(order, seed), n_skipped, None):
        pcm, _ = soundfile.read(io.BytesIO(sample["flac"]), dtype="float32")
        yield features(pcm), json.loads(sample["json"])


def features(pcm: np.ndarray) -> np.ndarray:
    """Mean log energy in BANDS bands of shape (BANDS,) of mono audio of shape (samples,)."""
    frames = pcm[: len(pcm) // 512 * 512].reshape(-1, 512)
    power = (np.abs(np.fft.rfft(frames * np.hanning(512), axis=1)) ** 2).mean(axis=0)
    edges = np.unique(np.geomspace(1, len(power), BANDS + 1).astype(int))
    energy = np.array([power[a:b].mean() for a, b in pairwise(edges)])
    return np.resize(np.log(energy + 1e-8), BANDS)


def new_model() -> Model:
    """A linear model of the bands that knows nothing, and the bands' running mean and spread."""
    return {"weights": [0.0] * (BANDS + 1), "mean": [], "spread": [1.0] * BANDS}


def step(model: Model, bands: np.ndarray, target: float) -> float:
    """Learn from one sample (normalised least mean squares); the squared error before."""
    mean, spread = np.array(model["mean"] or bands), np.array(model["spread"])
    mean, spread = 0.95 * mean + 0.05 * bands, 0.95 * spread + 0.05 * np.abs(bands - mean)
    inputs = np.append(np.clip((bands - mean) / (spread + 0.1), -3, 3), 1.0)
    weights = np.array(model["weights"])
    error = float(inputs @ weights - target)
    weights -= 0.5 * error * inputs / (1 + inputs @ inputs)
    model.update(weights=weights.tolist(), mean=mean.tolist(), spread=spread.tolist())
    return error**2


def train(addresses: list[str], n_epochs: int, samples_per_epoch: int | None, state: Path | None, every: int) -> None:
    """Fit arousal, step by step; print each epoch's loss, what guessing the mean would give, and the speed."""
    done: dict[str, Any] = {"epoch": 0, "n_seen": 0, "losses": [], "targets": [], "model": new_model()}
    if state and state.exists():
        done = json.loads(state.read_text())
    while done["epoch"] < n_epochs:
        began, n_before = time.perf_counter(), done["n_seen"]
        left = None if samples_per_epoch is None else samples_per_epoch - n_before
        for bands, label in islice(stream(addresses, done["epoch"], n_before), left):
            done["n_seen"] += 1
            if label["arousal_mean"] is not None:
                done["losses"].append(step(done["model"], bands, label["arousal_mean"]))
                done["targets"].append(label["arousal_mean"])
            if state and done["n_seen"] % every == 0:
                save(state, done)
        rate = (done["n_seen"] - n_before) / (time.perf_counter() - began)
        print(f"epoch {done['epoch']}: {done['n_seen']} samples, mean squared error {np.mean(done['losses']):.2f} "
              f"(the mean alone: {np.var(done['targets']):.2f}), {rate:.0f} samples/s", flush=True)  # fmt: skip
        done.update(epoch=done["epoch"] + 1, n_seen=0, losses=[], targets=[])
        if state:
            save(state, done)


def save(state: Path, done: dict[str, Any]) -> None:
    """Replace the file at once: a killed run finds the one before."""
    written = state.with_suffix(".part")
    written.write_text(json.dumps(done))
    written.replace(state)


def main() -> None:
    """Pin, verify, stream, train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", help="folder or address of a release")
    parser.add_argument("--manifest-sha256", help="refuse any other manifest: what releases/latest.json gave once")
    parser.add_argument("--split", default="train")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--samples-per-epoch", type=int, help="end each epoch after so many: the same for all ranks")
    parser.add_argument("--verify", action="store_true", help="hash every shard first")
    parser.add_argument("--state", type=Path, help="keep here how far it came; there already: go on from it")
    parser.add_argument("--save-every", type=int, default=100, help="samples")
    given = parser.parse_args()
    root = given.root.rstrip("/")
    manifest = read_manifest(root, given.manifest_sha256)
    if given.verify:
        verify(root, manifest)
    rank, n_ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    addresses = own_shards(root, manifest["splits"][given.split], rank, n_ranks)
    print(f"release {manifest['version']}, {given.split}: {len(addresses)} shards for rank {rank} of {n_ranks}")
    train(addresses, given.epochs, given.samples_per_epoch, given.state, given.save_every)


if __name__ == "__main__":
    main()
