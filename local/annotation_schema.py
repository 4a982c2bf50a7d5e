"""Write docs/annotation.schema.json, the JSON Schema of a row of an annotation file, from the contract itself."""

import json

from include.contract import Annotation
from include.settings import ROOT

PATH = ROOT / "docs" / "annotation.schema.json"


def schema() -> str:
    """The schema as the file holds it: a clip is named by `clip_id`, or by address and times."""
    found = Annotation.model_json_schema()
    named = [["clip_id"], ["url", "start_s", "end_s"]]
    found["required"] = [name for name in found["required"] if name != "clip_id"]
    found["anyOf"] = [{"required": names} for names in named]
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **found}, indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema(), encoding="utf-8")
