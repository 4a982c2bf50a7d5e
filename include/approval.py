"""What a person is asked before a release is published: what it changes, and what the checks found."""

import json
from typing import Any

from include import catalog, checks, store

MAX_IDS = 10


def question(version: str) -> str:
    """A frozen and checked release in Markdown, for whoever has to approve it."""
    with catalog.connect() as connection:
        release = connection.execute("select * from catalog.release where version = %s", [version]).fetchone() or {}
        parent = release.get("parent")
        found = catalog.rows(connection, "count_release_changes", version=version, parent=parent, max_ids=MAX_IDS)
        groups = catalog.row(connection, "sum_release_speakers", version=version) or {}
    results = json.loads(store.read_bytes(f"releases/{version}/checks/results.json"))
    size = f"{groups.get('n_clips', 0):,} clips of {groups.get('n_speaker_groups', 0):,} speaker groups"
    hours = (release.get("duration_s") or 0) / 3600
    against = f"Against {parent}:" if parent else "There was none before:"
    head = f"**Release {version}**: {size}, {hours:,.2f} h. {against}"
    return "\n".join([head, "", *_changes(found), "", *_findings(results)])


def _changes(found: list[catalog.Row]) -> list[str]:
    of = {row["change"]: row for row in found}
    lines = ["| clips | | for instance |", "|---|--:|---|"]
    for change, name in (("added", "new"), ("changed", "changed"), ("removed", "removed")):
        row = of.get(change, {"n_clips": 0, "clip_ids": []})
        lines.append(f"| {name} | {row['n_clips']:,} | {' '.join(f'`{clip_id}`' for clip_id in row['clip_ids'])} |")
    return lines


def _findings(results: list[dict[str, Any]]) -> list[str]:
    warned = [result for result in results if not result["success"]]
    head = f"**Checks**: {len(results) - len(warned)} of {len(results)} passed"
    # What a check found may be a stranger's text: shown as it is, not as Markdown.
    warnings = f"{len(warned)} warning{'s' if len(warned) > 1 else ''}"
    return [f"{head}; {warnings}." if warned else f"{head}.", ""] + [
        f"- `{checks.describe(result).replace('`', chr(39))}`" for result in warned
    ]
