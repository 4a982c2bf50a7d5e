"""`./oe annotations`: files of what volunteers said, checked and merged by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from include import catalog
from include.cli.console import has_refusals, show, total


@click.group()
def annotations() -> None:
    """What volunteers said of clips."""


FILES = click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))


def read_options(verb: Any) -> Any:
    """The options that say how FILES are to be read."""
    from include.readers import FORMS

    form = click.option(
        "--format", "form", type=click.Choice(["auto", *FORMS]), default="auto", help="Default: what the name says."
    )
    scale = click.option(
        "--valence-scale",
        type=click.Choice(["form", "model"]),
        help="Of an Open Empathic export: the form's, -5 to +5, or the database model's, 0 to 10.",
    )
    return form(scale(verb))


def by_file(files: tuple[Path, ...], run: Callable[[Path], Any]) -> dict[str, Any]:
    """What became of each file, or would become of it. A name that says no form is wrong use."""
    try:
        return {str(path): run(path) for path in files}
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def reasons_of(result: Any) -> list[str]:
    """Why rows of a file were refused; a long list is cut off, and says so."""
    told = [f"line {row.line}: {row.reason}" for row in result.rejected]
    n_untold = result.counts["rejected"] - len(told)
    return [*told, *([f"and {n_untold} more rows"] if n_untold else [])]


@annotations.command()
@FILES
@read_options
def check(files: tuple[Path, ...], form: str, valence_scale: str | None) -> None:
    """What a merge of each of FILES would make of its rows, and why it would refuse some. Changes nothing."""
    from include.annotations import check_file

    catalog.migrate()
    results = by_file(files, lambda path: check_file(path, form, valence_scale))
    show(
        {path: {**result.counts, "reasons": reasons_of(result)} for path, result in results.items()},
        refused=any(result.counts["rejected"] for result in results.values()),
    )


@annotations.command()
@FILES
@read_options
def merge(files: tuple[Path, ...], form: str, valence_scale: str | None) -> None:
    """Merge FILES into the catalog and renew the labels of the clips they speak of."""
    from include.annotations import merge_file

    catalog.migrate()
    results = by_file(files, lambda path: merge_file(path, form, valence_scale))
    counts = total(result.counts for result in results.values())
    reasons = [f"{path}, {reason}" for path, result in results.items() for reason in reasons_of(result)]
    show({**counts, **({"reasons": reasons} if reasons else {})}, refused=has_refusals(counts))


@annotations.command()
@click.option("--file", help="Only rows of a file of this name.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many rows.")
def rejected(file: str | None, limit: int) -> None:
    """Rows that were refused, as they stood and why, the newest first: to be mended and sent again in a new file."""
    from include import funnel

    catalog.migrate()
    show(funnel.rejects(file, limit))
