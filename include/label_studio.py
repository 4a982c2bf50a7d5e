"""Label Studio's JSON export: a list of tasks, each with the annotations made of it.

The labelling interface's control names (`from_name`) are the contract's field names; the task's data names the clip
by `clip_id`, or by `url`, `start_s` and `end_s`. Format: https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks
"""

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

from include.contract import CUT_SHORT, LIST_FIELDS, Annotation, Rejected

CHUNK_BYTES = 65_536
MAX_TASK_CHARACTERS = 4_000_000
CLIP_FIELDS = ("clip_id", "url", "start_s", "end_s")


def read(stream: IO[bytes]) -> Iterator[tuple[int, Any] | Rejected]:
    """Each annotation as (its number in the file, {task, annotation}); read task by task."""
    number = 0
    for task in _tasks(stream):
        if isinstance(task, Rejected):
            yield Rejected(number + 1, task.raw, task.reason)
            continue
        annotations = task.get("annotations") if isinstance(task, dict) else None
        if not isinstance(annotations, list):
            number += 1
            yield Rejected(number, json.dumps(task, ensure_ascii=False), "no task of Label Studio: no annotations")
            continue
        for annotation in annotations:
            number += 1
            yield number, {"task": task.get("id"), "data": task.get("data"), "annotation": annotation}


def as_annotation(row: dict[str, Any]) -> dict[str, Any]:
    """The contract's row of one annotation. Raises ValueError if it is none."""
    data, annotation = row["data"], row["annotation"]
    if not isinstance(data, dict) or not isinstance(annotation, dict):
        raise ValueError("no annotation of Label Studio: data and annotation are JSON objects")
    if annotation.get("was_cancelled"):
        raise ValueError("skipped by its annotator")
    who = annotation.get("completed_by")
    who = who.get("id") if isinstance(who, dict) else who
    if who is None:
        raise ValueError("completed_by: it does not say who made it")
    said: dict[str, Any] = {name: data[name] for name in CLIP_FIELDS if name in data}
    for result in annotation.get("result") or ():
        name, value = str(result.get("from_name")), _value(result)
        if name not in Annotation.model_fields:
            raise ValueError(f"{name[:80]!r} is no field of an annotation")
        said[name] = value if name in LIST_FIELDS else value[0] if len(value) == 1 else " ".join(map(str, value))
    return {
        "time_spent_s": annotation.get("lead_time"),
        "source_ref": f"label-studio:{row['task']}:{annotation.get('id')}",
        **said,
        "annotator_id": f"label-studio:{who}",
        "submitted_at": annotation.get("updated_at") or annotation.get("created_at"),
    }


def _value(result: dict[str, Any]) -> list[Any]:
    """What was chosen or written in one control, as a list. Raises ValueError for a control of another kind."""
    value = result.get("value") or {}
    for kind in ("choices", "text", "rating", "number"):
        if kind in value:
            found = value[kind]
            return found if isinstance(found, list) else [found]
    if "taxonomy" in value:  # each choice is its path: the family, then the word
        return [path[-1] for path in value["taxonomy"]]
    raise ValueError(f"{result.get('from_name')}: no choices, text, rating, number or taxonomy")


def _tasks(stream: IO[bytes]) -> Iterator[Any]:
    """The items of a JSON list, one at a time."""
    decoder, decode = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    buffer, is_open, is_at_end = "", False, False
    while True:
        buffer = buffer.lstrip(" \t\r\n," if is_open else " \t\r\n")
        if buffer and not is_open:
            if buffer[0] != "[":
                yield Rejected(0, buffer[:200], "no JSON list of Label Studio's tasks")
                return
            buffer, is_open = buffer[1:], True
            continue
        if buffer.startswith("]"):
            return
        try:
            task, end = decoder.raw_decode(buffer) if buffer else (None, 0)
        except (ValueError, RecursionError):
            end = 0
        if end:
            yield task
            buffer = buffer[end:]
        elif is_at_end:
            if buffer or is_open:
                yield Rejected(0, buffer[:200], f"{CUT_SHORT}, or it is no JSON")
            return
        elif len(buffer) > MAX_TASK_CHARACTERS:
            yield Rejected(
                0, buffer[:200], f"no task within {MAX_TASK_CHARACTERS} characters; what follows is not read"
            )
            return
        else:
            # Twice as much each time: a task is parsed again from its start, and that must not cost its square.
            chunk = stream.read(max(CHUNK_BYTES, len(buffer)))
            is_at_end = not chunk
            buffer += decode.decode(chunk, final=is_at_end)
