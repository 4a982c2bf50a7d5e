"""Write docs/*.schema.json: of a row of an annotation file, from the contract itself; of a release's manifest."""

import json
from pathlib import Path

from include import manifest
from include.contract import Annotation
from include.settings import ROOT

ANNOTATION = ROOT / "docs" / "annotation.schema.json"
MANIFEST = ROOT / "docs" / "manifest.schema.json"


def annotation() -> str:
    """A row's schema: a clip is named by `clip_id`, or by address and times."""
    found = Annotation.model_json_schema()
    named = [["clip_id"], ["url", "start_s", "end_s"]]
    found["required"] = [name for name in found["required"] if name != "clip_id"]
    found["anyOf"] = [{"required": names} for names in named]
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **found}, indent=1) + "\n"


def published() -> dict[Path, str]:
    """What each file of docs/ is to hold. The manifest's is the one that goes out beside it."""
    return {ANNOTATION: annotation(), MANIFEST: manifest.SCHEMA.read_text(encoding="utf-8")}


if __name__ == "__main__":
    for path, text in published().items():
        path.write_text(text, encoding="utf-8")
