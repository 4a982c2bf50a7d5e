"""`make conformance`: a release read by others' code, from GNU tar to energon.

    python -m local.conformance [FOLDER]      # default: the latest release of the store

Each reads a copy, in a virtual environment of its own below the run folder, so that nothing of ours is on its path.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import click

from include import release, settings, store

REQUIREMENTS = settings.ROOT / "requirements-conformance.txt"
# energon's names of the splits.
ENERGON_PARTS = {"train": "train", "validation": "val", "test": "test"}

WEBDATASET = """
import json, webdataset
for split, found in json.load(open("manifest.json"))["splits"].items():
    data = webdataset.WebDataset([s["path"] for s in found["shards"]], shardshuffle=False).decode()
    names = {sample["__key__"] for sample in data if sample["json"]["clip_id"] == sample["__key__"]}
    assert len(names) == found["n_clips"], (split, len(names))
    print(split, len(names), "samples", end="; ")
"""

DATASETS = """
import json, sys
from datasets import Features, Json, Value, load_dataset
kinds = {"__key__": Value("string"), "__url__": Value("string"), "flac": Value("binary"), "json": Json()}
manifest = json.load(open("manifest.json"))
files = {split: [s["path"] for s in found["shards"]] for split, found in manifest["splits"].items()}
for split, paths in files.items():
    # Bytes, not Audio: that would need torchcodec and a system's ffmpeg.
    given = {"data_files": {split: paths}, "features": Features(kinds), "cache_dir": sys.argv[1]}
    rows = load_dataset("webdataset", split=split, **given)
    assert len(rows) == manifest["splits"][split]["n_clips"], (split, len(rows))
    for row in rows:
        assert row["__key__"] == row["json"]["clip_id"] and row["flac"][:4] == b"fLaC"
    print(split, len(rows), "rows", end="; ")
"""

WIDS = """
import hashlib, io, json, sys, wids
manifest = json.load(open("manifest.json"))
for split, found in manifest["splits"].items():
    given = {"base": "wids", "cache_dir": sys.argv[1], "transformations": [], "keep": True}
    data = wids.ShardListDataset(f"wids/{split}.json", **given)
    assert len(data) == found["n_clips"], (split, len(data))
    for n in range(len(data)):
        sample = data[n]
        said = json.loads(sample[".json"].read())
        assert said["clip_id"] == sample["__key__"]
        assert hashlib.sha256(sample[".flac"].read()).hexdigest() == said["audio_sha256"]
    print(split, len(data), "samples, by number", end="; ")
"""

# After `energon prepare`, which writes an index beside the shards.
ENERGON = """
import json, sys
from megatron.energon import Cooker, DefaultTaskEncoder, TextSample, WorkerConfig
from megatron.energon import basic_sample_keys, get_loader, get_val_dataset, stateless

@stateless
def cook(sample):
    said = json.loads(sample["json"])
    assert said["clip_id"] == sample["__key__"].rpartition("/")[2] and sample["flac"][:4] == b"fLaC"
    return TextSample(**basic_sample_keys(sample), text=said["clip_id"])

class Encoder(DefaultTaskEncoder):
    cookers = [Cooker(cook)]
    decoder = None
    def batch(self, samples):
        return [sample.text for sample in samples]
    def encode_batch(self, batch):
        return batch

given = {"worker_config": WorkerConfig(rank=0, world_size=1, num_workers=0), "batch_size": 1, "task_encoder": Encoder()}
parts = json.loads(sys.argv[1])
for split, found in json.load(open("manifest.json"))["splits"].items():
    names = [name for batch in get_loader(get_val_dataset(".", split_part=parts[split], **given)) for name in batch]
    assert len(names) == len(set(names)) == found["n_clips"], (split, len(names))
    print(split, len(names), "samples", end="; ")
"""

CROISSANT = """
import itertools, json, mlcroissant
has_links = json.load(open("manifest.json"))["n_links"] > 0
data = mlcroissant.Dataset(jsonld="croissant.json")
for record_set in data.metadata.record_sets:
    if record_set.data is None:
        found = list(itertools.islice(data.records(record_set.uuid), 3))
        assert found or (record_set.uuid == "links" and not has_links), record_set.uuid
        print(record_set.uuid, len(found), "records", end="; ")
"""


def environment() -> Path:
    """The virtual environment of the others' code, made if it is not there; its bin folder."""
    folder = settings.current().run / "conformance-venv"
    done = folder / ".installed"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        click.echo(f"Installing what reads the release into {folder} …")
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
        done.write_text(wanted, encoding="utf-8")
    return folder / "bin"


def commands(programs: Path, copy: Path, cache: Path) -> Iterator[tuple[str, list[str | Path]]]:
    """What is run in a copy of the release, by name; each ends with 0 if the release is what it takes."""
    splits = json.loads((copy / "manifest.json").read_bytes())["splits"]
    yield "sha256sum -c", ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    for tar in sorted(path.relative_to(copy) for path in copy.rglob("*.tar")):
        yield f"GNU tar, {tar}", ["tar", "--list", "--file", tar]
    yield "webdataset", [programs / "python", "-c", WEBDATASET]
    yield "datasets.load_dataset", [programs / "python", "-c", DATASETS, cache / "datasets"]
    yield "wids", [programs / "python", "-c", WIDS, cache / "wids"]
    yield "mlcroissant validate", [programs / "mlcroissant", "validate", "--jsonld", "croissant.json"]
    yield "mlcroissant load", [programs / "python", "-c", CROISSANT]
    parts = [f"--split-parts={ENERGON_PARTS[split]}:{split}/.*\\.tar" for split in splits]
    yield "energon prepare", [programs / "energon", "prepare", "--non-interactive", "--num-workers=1", *parts,
                              "--sample-type=CrudeWebdataset", "."]  # fmt: skip
    yield "energon", [programs / "python", "-c", ENERGON, json.dumps(ENERGON_PARTS)]


def check(folder: Path) -> list[str]:
    """Let each of the others read a copy of the release in `folder`; the names of those that would not."""
    programs = environment()
    refused = []
    with tempfile.TemporaryDirectory(dir=settings.current().run) as scratch:
        copy, cache = Path(scratch) / "release", Path(scratch) / "cache"
        shutil.copytree(folder, copy)
        offline = settings.process_environment(HF_HUB_OFFLINE="1", HF_HOME=str(cache), PYTHONPATH="")
        for name, command in commands(programs, copy, cache):
            done = subprocess.run(command, cwd=copy, env=offline, capture_output=True, text=True, check=False)
            click.echo(f"{'ok     ' if done.returncode == 0 else 'REFUSED'} {name}: {_last_line(done.stdout)}")
            if done.returncode != 0:
                refused.append(name)
                click.echo(done.stdout[-1000:] + done.stderr[-3000:])
    return refused


def _last_line(text: str) -> str:
    return (text.strip("; \n").splitlines() or [""])[-1][:100]


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path | None) -> None:
    """Let others' code read the release in FOLDER, or the store's latest."""
    if folder is None:
        version = release.latest_version()
        root = store.url(release.folder(version)) if version else ""
        if not root.startswith("file://"):
            raise click.ClickException("there is no release on this disk: name a folder")
        folder = Path(root.removeprefix("file://"))
    sys.exit(1 if check(folder) else 0)


if __name__ == "__main__":
    main()
