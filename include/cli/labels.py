"""`./oe labels`: what all votes come to, how far they agree, and what people decided."""

from pathlib import Path

import click

from include import catalog
from include.cli.console import show


@click.group()
def labels() -> None:
    """What all votes on a clip come to."""


@labels.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
def export(out: Path) -> None:
    """Write the label table to the Parquet file OUT."""
    from include import labels as labelling

    catalog.migrate()
    show({"labels": labelling.export(out), "file": str(out)})


@labels.command()
def agreement() -> None:
    """How far raters agree beyond chance: Krippendorff's alpha of each field."""
    from include import agreement as agreeing

    catalog.migrate()
    show(agreeing.by_field())


@labels.command()
@click.argument("clip_id")
@click.argument("decision", type=click.Choice(["hold", "release"]))
@click.option("--reason", required=True, help="Why; kept with the decision.")
def decide(clip_id: str, decision: str, reason: str) -> None:
    """Hold CLIP_ID back from releases, or let it go despite the reports it has so far."""
    from include import labels as labelling

    catalog.migrate()
    if not labelling.decide(clip_id, decision == "hold", reason):
        show({"refused": f"no label of a clip {clip_id}"}, refused=True)
    show({clip_id: decision})
