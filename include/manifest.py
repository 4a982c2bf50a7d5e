"""What says what a release holds: the manifest, `SHA256SUMS` for coreutils, indexes for `wids`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include import __version__, catalog, layout, settings, store

FORMAT = 1
SCHEMA = Path(__file__).parent / "templates" / "manifest.schema.json"
SETTINGS = {"sample_rate_hz", "min_raters", "shard_samples", "shard_bytes", "licence_policy"}


def compose(version: str) -> dict[str, Any]:
    """The manifest of a built release as the catalog has it, without the files beside the shards."""
    with catalog.connect() as connection:
        release = connection.execute("select * from catalog.release where version = %s", [version]).fetchone() or {}
        built = catalog.rows(connection, "select_built_shards", version=version)
        splits = catalog.rows(connection, "sum_release_splits", version=version)
        links = connection.execute(
            "select count(*) as n_links from catalog.release_link where version = %s", [version]
        ).fetchone()
    return {
        "format": FORMAT,
        "version": version,
        "parent": release["parent"],
        "code_version": __version__,
        "vocabulary_version": release["vocabulary_version"],
        "settings": settings.current().model_dump(include=SETTINGS),
        "n_clips": release["n_clips"],
        "duration_s": release["duration_s"],
        "n_links": links["n_links"] if links else 0,
        "splits": {split["split"]: _split(split, built, release["shard_capacity"]) for split in splits},
    }


def _split(split: catalog.Row, built: Sequence[catalog.Row], capacities: dict[str, int]) -> dict[str, Any]:
    own = [shard for shard in built if shard["split"] == split["split"]]
    return {
        "n_clips": split["n_clips"],
        "duration_s": split["duration_s"],
        **layout.advice(own, capacities[split["split"]]),
        "shards": [{name: shard[name] for name in ("path", "n_samples", "bytes", "sha256")} for shard in own],
    }


def write_indexes(root: str, manifest: dict[str, Any]) -> list[str]:
    """Write the manifest's schema and each split's index for `wids` below `root` in the store; their paths."""
    contents = {"manifest.schema.json": SCHEMA.read_bytes()}
    for name, split in manifest["splits"].items():
        shards = [
            {"url": f"../{shard['path']}", "nsamples": shard["n_samples"], "filesize": shard["bytes"]}
            for shard in split["shards"]
        ]
        index = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "name": f"open-empathic-{name}",
                 "shardlist": shards}  # fmt: skip
        contents[f"wids/{name}.json"] = json.dumps(index, indent=1).encode()
    for path, content in contents.items():
        store.write_bytes(f"{root}/{path}", content)
    return [f"{root}/{path}" for path in contents]


def write_sums(root: str, manifest: dict[str, Any]) -> str:
    """Write `SHA256SUMS` of all that the manifest lists, as `sha256sum -c` reads it; its path."""
    listed = [*(shard for split in manifest["splits"].values() for shard in split["shards"]), *manifest["files"]]
    lines = [f"{entry['sha256']}  {entry['path']}\n" for entry in sorted(listed, key=lambda entry: str(entry["path"]))]
    store.write_bytes(f"{root}/SHA256SUMS", "".join(lines).encode())
    return f"{root}/SHA256SUMS"


def file_entry(path: str, root: str) -> dict[str, Any]:
    """A file beside the shards as the manifest lists it."""
    return {"path": path.removeprefix(f"{root}/"), "bytes": store.size_bytes(path), "sha256": store.sha256(path)}
