"""How verbs show what came of them: as text for people or as JSON, and an exit status."""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any

import click

DONE, REFUSED = 0, 1
OUTCOMES_REFUSED = ("rejected", "refused", "gone", "broken", "unsupported", "failed", "quota", "transient")


def show(result: Any, *, refused: bool = False) -> None:
    """Print a verb's result, as JSON if that was asked for, and end with the exit status that says how it went."""
    context = click.get_current_context()
    if context.obj:
        text = json.dumps(result, indent=1, default=str, ensure_ascii=False)
        # As JSON writes it; text of strangers must not command the terminal, nor turn its direction.
        click.echo("".join(json.dumps(char)[1:-1] if is_control(char) else char for char in text))
    else:
        text = result if isinstance(result, str) else as_text(result)
        click.echo("".join("\ufffd" if is_control(char) else char for char in text))
    context.exit(REFUSED if refused else DONE)


def is_control(char: str) -> bool:
    """Whether a character is not to be seen: an escape, a change of direction; no blank or line break."""
    return not char.isprintable() and char not in "\n\t" and unicodedata.category(char) != "Zs"


def as_text(result: Any, indent: str = "") -> str:
    """Nested dicts and lists as aligned lines for people."""
    if isinstance(result, dict):
        width = max((len(str(key)) for key in result), default=0)
        return "\n".join(
            f"{indent}{key}:\n{as_text(value, indent + '  ')}"
            if isinstance(value, dict | list) and value
            else f"{indent}{key!s:<{width}}  {value if value not in ([], {}) else '-'}"
            for key, value in result.items()
        )
    if isinstance(result, list):
        return "\n".join(
            as_text(item, indent) + ("\n" if len(item) > 1 else "") if isinstance(item, dict) else f"{indent}{item}"
            for item in result
        )
    return f"{indent}{result}"


def as_lines(rows: list[dict[str, Any]], *columns: str) -> str:
    """Rows as an aligned table, a line each under its columns' names; an empty value is a dash."""
    cells = [list(columns)]
    for row in rows:
        values = [", ".join(row[name]) if isinstance(row[name], list) else row[name] for name in columns]
        cells.append(["-" if value in (None, "") else " ".join(str(value).split()) for value in values])
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def total(results: Iterable[dict[str, int]]) -> dict[str, int]:
    """Counts of several batches, added up."""
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(result)
    return dict(counts)


def has_refusals(counts: dict[str, int]) -> bool:
    """Whether anything among the counted was not taken."""
    return any(counts.get(outcome) for outcome in OUTCOMES_REFUSED)
