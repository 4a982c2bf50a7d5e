"""Stream a release with nothing but `webdataset` and its manifest, and learn something small from it.

    python examples/stream_release.py releases/2026.11.24                    # a folder
    python examples/stream_release.py https://host/releases/2026.11.24       # HTTP
    python examples/stream_release.py s3://bucket/releases/2026.11.24        # S3: through `aws s3 cp`

Needs `webdataset`, `numpy` and `soundfile`. RANK and WORLD_SIZE, as torchrun sets them, share the shards out.
"""

import argparse
import hashlib
import io
import json
import os
import shlex
import time
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from subprocess import check_output
from typing import Any

import numpy as np
import soundfile
import webdataset

BANDS = 24


def fetch(address: str) -> bytes:
    """The bytes of a file of a release."""
    if address.startswith(("http://", "https://")):
        with urllib.request.urlopen(address) as answer:
            return bytes(answer.read())
    if address.startswith("s3://"):
        return check_output(["aws", "s3", "cp", address, "-"])
    return Path(address).read_bytes()


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


def stream_url(root: str, path: str) -> str:
    """A shard's address as webdataset opens it."""
    address = f"{root}/{path}"
    return f"pipe:aws s3 cp {shlex.quote(address)} -" if address.startswith("s3://") else address


def own_shards(root: str, split: dict[str, Any], rank: int, n_ranks: int) -> list[str]:
    """The shards of one rank: every n-th of the full ones, as many for each; of all if there is one rank."""
    if n_ranks == 1:
        return [stream_url(root, shard["path"]) for shard in split["shards"]]
    full = split["full_shards"]
    if len(full) < n_ranks:
        raise SystemExit(f"{len(full)} full shards for {n_ranks} ranks: some would get nothing and the others hang")
    return [stream_url(root, path) for path in full[: len(full) // n_ranks * n_ranks][rank::n_ranks]]


def stream(urls: list[str], seed: int, n_skipped: int = 0) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Samples of one epoch: log band energies of shape (BANDS,), and the label. The same seed is the same order."""
    order = list(np.random.default_rng(seed).permutation(urls))
    # The list is one rank's share already: no splitter may divide it again.
    dataset = webdataset.WebDataset(order, shardshuffle=False, nodesplitter=iter, seed=seed)
    for n, sample in enumerate(dataset.shuffle(500, seed=seed)):
        if n < n_skipped:
            continue  # resumed: seen before
        pcm, _ = soundfile.read(io.BytesIO(sample["flac"]), dtype="float32")
        yield features(pcm), json.loads(sample["json"])


def features(pcm: np.ndarray) -> np.ndarray:
    """Mean log energy in BANDS bands of shape (BANDS,) of mono audio of shape (samples,)."""
    frames = pcm[: len(pcm) // 512 * 512].reshape(-1, 512)
    power = (np.abs(np.fft.rfft(frames * np.hanning(512), axis=1)) ** 2).mean(axis=0)
    edges = np.unique(np.geomspace(1, len(power), BANDS + 1).astype(int))
    energy = np.array([power[a:b].mean() for a, b in pairwise(edges)])
    return np.resize(np.log(energy + 1e-8), BANDS)


def train(urls: list[str], n_epochs: int, samples_per_epoch: int | None) -> None:
    """Fit arousal by a linear model, step by step, and print loss and speed of each epoch."""
    weights, moments = np.zeros(BANDS + 1), None
    for epoch in range(n_epochs):
        losses, started_at = [], time.perf_counter()
        for n, (x, label) in enumerate(stream(urls, seed=epoch)):
            if n == samples_per_epoch:
                break
            if label["arousal_mean"] is None:
                continue
            moments = (x, np.ones(BANDS)) if moments is None else moments
            mean, spread = moments
            moments = (0.95 * mean + 0.05 * x, 0.95 * spread + 0.05 * np.abs(x - mean))
            inputs = np.append(np.clip((x - mean) / (spread + 0.1), -3, 3), 1.0)
            error = inputs @ weights - label["arousal_mean"]
            weights -= 0.2 * error * inputs / (1 + inputs @ inputs)
            losses.append(error**2)
        rate = len(losses) / (time.perf_counter() - started_at)
        print(f"epoch {epoch}: {len(losses)} samples, mean squared error {np.mean(losses):.2f}, {rate:.0f} samples/s")


def main() -> None:
    """Pin, verify, stream, train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", help="folder or address of a release")
    parser.add_argument("--manifest-sha256", help="refuse any other manifest: what releases/latest.json gave once")
    parser.add_argument("--split", default="train")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--samples-per-epoch", type=int, help="end each epoch after so many: the same for all ranks")
    parser.add_argument("--verify", action="store_true", help="hash every shard first")
    given = parser.parse_args()
    root = given.root.rstrip("/")
    manifest = read_manifest(root, given.manifest_sha256)
    if given.verify:
        verify(root, manifest)
    rank, n_ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    urls = own_shards(root, manifest["splits"][given.split], rank, n_ranks)
    print(f"release {manifest['version']}, {given.split}: {len(urls)} shards for rank {rank} of {n_ranks}")
    train(urls, given.epochs, given.samples_per_epoch)


if __name__ == "__main__":
    main()
