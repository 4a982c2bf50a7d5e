"""The Croissant description of a release: `croissant.json`, read by the tools that know MLCommons' format.

Hand-built, so that a release needs no Croissant library; `mlcroissant` validates it in the tests.
"""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import store

if TYPE_CHECKING:
    import pyarrow as pa

FIELDS = Path(__file__).parent / "templates" / "fields.yaml"
PROJECT_URL = "https://laion.ai/"
TABLES = {"clips": "clip", "votes": "vote", "links": "clip"}

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


@cache
def fields() -> dict[str, list[dict[str, Any]]]:
    """What the fields of a release mean: `clip` and `vote`, each a list of `name`, `is` and for clips `unit`, `in`."""
    import yaml

    found: dict[str, list[dict[str, Any]]] = yaml.safe_load(FIELDS.read_text(encoding="utf-8"))
    return found


def describe(root: str, manifest: dict[str, Any], statements: dict[str, Any], licences: list[str]) -> bytes:
    """`croissant.json` of the release whose tables lie below `root` in the store.

    `statements` are the `rai:` properties, `licences` the names that the recordings' sites give.
    """
    tars = [f"{split}/*.tar" for split in manifest["splits"]]
    described = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": "Open Empathic",
        "description": (
            "Short clips of people speaking, with what many volunteers heard in each: emotions, arousal, valence. "
            f"Release {manifest['version']}: {manifest['n_clips']:,} clips."
        ),
        "url": PROJECT_URL,
        "creator": {"@type": "sc:Organization", "name": "LAION", "url": PROJECT_URL},
        "citeAs": f"LAION: Open Empathic, release {manifest['version']}.",
        "datePublished": "-".join(manifest["version"].split(".")[:3]),
        "version": semantic_version(manifest["version"]),
        "license": licences or ["unknown"],
        "keywords": ["speech", "emotion", "arousal", "valence", "webdataset"],
        **{f"rai:{name}": text for name, text in statements.items()},
        "distribution": [*(_file_object(root, table) for table in TABLES), *_file_set(tars)],
        "recordSet": [_record_set(root, table) for table in TABLES],
    }
    return json.dumps(described, indent=1, ensure_ascii=False).encode() + b"\n"


def semantic_version(version: str) -> str:
    """A release's version as Croissant wants one, without leading zeros: `2026.01.31.2` is `2026.1.31+2`."""
    year, month, day, *number = (str(int(part)) for part in version.split("."))
    return f"{year}.{month}.{day}" + (f"+{number[0]}" if number else "")


def _file_object(root: str, table: str) -> dict[str, Any]:
    path = f"{table}.parquet"
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{store.size_bytes(f'{root}/{path}')} B",
        "encodingFormat": "application/x-parquet",
        "sha256": store.sha256(f"{root}/{path}"),
    }


def _file_set(patterns: list[str]) -> list[dict[str, Any]]:
    """The shards; none if the release has no clip."""
    shards = {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": "WebDataset: <clip_id>.flac and <clip_id>.json of each clip. manifest.json has their hashes.",
        "encodingFormat": "application/x-tar",
        "includes": patterns,
    }
    return [shards] if patterns else []


def _record_set(root: str, table: str) -> dict[str, Any]:
    """A table's columns. Maps, which Croissant has no type for, are left to the Parquet file."""
    import pyarrow.parquet as pq

    meanings = {field["name"]: field["is"] for field in fields()[TABLES[table]]}
    with store.open_read(f"{root}/{table}.parquet") as stream:
        schema = pq.read_schema(stream)
    found = [_field(table, column, meanings.get(column.name, "")) for column in schema if _data_type(column.type)]
    key = {"key": {"@id": f"{table}/clip_id"}} if table != "votes" else {}
    return {"@type": "cr:RecordSet", "@id": table, "name": table, **key, "field": found}


def _field(table: str, column: "pa.Field", meaning: str) -> dict[str, Any]:
    import pyarrow.types as kinds

    is_list = kinds.is_list(column.type)
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name}",
        "name": column.name,
        **({"description": meaning} if meaning else {}),
        "dataType": _data_type(column.type),
        **({"isArray": True, "arrayShape": "-1"} if is_list else {}),
        "source": {"fileObject": {"@id": f"{table}.parquet"}, "extract": {"column": column.name}},
    }


def _data_type(kind: "pa.DataType") -> str | None:
    """Croissant's name of an Arrow type; None if it has none."""
    import pyarrow.types as kinds

    if kinds.is_list(kind):
        return _data_type(kind.value_type)
    tests = {
        "sc:Text": kinds.is_string,
        "sc:Integer": kinds.is_integer,
        "sc:Float": kinds.is_floating,
        "sc:Boolean": kinds.is_boolean,
        "sc:DateTime": kinds.is_timestamp,
    }
    return next((name for name, is_kind in tests.items() if is_kind(kind)), None)
