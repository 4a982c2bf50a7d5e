"""`./oe annotators` and `./oe gold`: whom to believe, and the clips with known answers that tell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from include import catalog
from include.cli.console import as_lines, has_refusals, show


@click.group()
def annotators() -> None:
    """Whom to believe: evidence on annotators, and what people decided."""


STATES = click.Choice(["new", "trusted", "watched", "blocked"])


@annotators.command(name="list")
@click.option("--state", type=STATES, help="Only those of this state.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
def list_annotators(state: str | None, limit: int | None) -> None:
    """Annotators in a line each, the least believed first: state, weight, what speaks against them."""
    from include import raters

    catalog.migrate()
    found = raters.annotators(state, limit)
    if click.get_current_context().obj:
        show(found)
    show(as_lines(found, "annotator_id", "state", "weight", "n_annotations", "signals", "decided"))


@annotators.command(name="show")
@click.argument("annotator_id", required=False)
def show_annotators(annotator_id: str | None) -> None:
    """Weight, state and evidence of ANNOTATOR_ID, or of all, the least believed first."""
    from include import raters

    catalog.migrate()
    found = raters.evidence(annotator_id)
    show(found if found or annotator_id is None else {"refused": f"no annotator {annotator_id}"}, refused=not found)


@annotators.command(name="overrule")
@click.argument("annotator_id")
@click.option("--state", type=STATES, help="Their state.")
@click.option("--weight", type=click.FloatRange(0), help="Of their votes on every field.")
@click.option("--reason", default="", help="Why; kept with the decision.")
def overrule_annotator(annotator_id: str, state: str | None, weight: float | None, reason: str) -> None:
    """Put a decision above the evidence on ANNOTATOR_ID; with neither state nor weight, lift it again.

    A block, or its end, reaches the labels at the next merge.
    """
    from include import raters

    if (state is not None or weight is not None) and not reason.strip():
        raise click.UsageError("a decision needs its --reason")
    catalog.migrate()
    if not raters.overrule(annotator_id, state, weight, reason):
        show({"refused": f"no annotator {annotator_id}"}, refused=True)
    show(raters.evidence(annotator_id))


@annotators.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def profiles(file: Path) -> None:
    """Take in what annotators chose to tell of themselves, for bias tables by group alone.

    FILE is .jsonl or .csv: annotator_id, age_group, gender, first_language. A row that tells nothing forgets.
    """
    from include import profiles as profiling

    take_in(file, profiling.import_file)


@click.group()
def gold() -> None:
    """Clips with known answers, by which annotators are judged."""


@gold.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_gold(file: Path) -> None:
    """Take in the known answers in FILE, and judge anew who annotated these clips.

    FILE is .jsonl or .csv: clip_id (or url, start_s, end_s), families, arousal_min, arousal_max, valence_min,
    valence_max, note.
    """
    from include import gold as answering

    take_in(file, answering.import_file)


def take_in(file: Path, import_file: Callable[[Path], dict[str, Any]]) -> None:
    """Import a file of rows and show what became of them; a name that says no form is wrong use."""
    catalog.migrate()
    try:
        counts = import_file(file)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    show(counts, refused=has_refusals(counts))


@gold.command(name="list")
def list_gold() -> None:
    """The known answers, and how many annotators each has been asked."""
    from include import gold as answering

    catalog.migrate()
    show(answering.answers())


@gold.command()
@click.argument("clip_id")
def remove(clip_id: str) -> None:
    """Forget the known answer of CLIP_ID."""
    from include import gold as answering

    catalog.migrate()
    if not answering.remove(clip_id):
        show({"refused": f"no known answer of a clip {clip_id}"}, refused=True)
    show({clip_id: "removed"})
