"""`./oe`: the pipeline's verbs from a shell, on the very functions that the DAGs call. Needs no Airflow running."""

import logging
import sys
from pathlib import Path
from typing import Any

import click

from include import catalog, settings
from include.cli.annotations import annotations
from include.cli.annotators import annotators, gold
from include.cli.console import has_refusals, show, total
from include.cli.labels import labels
from include.cli.releases import release
from include.faults import DUE, RETRYABLE


class Address(click.ParamType[str]):
    """The URL of a server or a folder: it begins with one of the schemes that can be read."""

    name = "URL"

    def __init__(self, *schemes: str) -> None:
        self.schemes = schemes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The URL as it is. Raises BadParameter."""
        if not str(value).startswith(self.schemes):
            self.fail(f"{value!r} does not begin with {' or '.join(self.schemes)}", param, ctx)
        return str(value)


class Verbs(click.Group):
    """The verbs; a catalog that can't be reached is said in a line, not in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb. Raises ClickException (exit status 1) if the catalog can't be reached."""
        import psycopg

        try:
            return super().invoke(ctx)
        except psycopg.OperationalError as error:
            raise click.ClickException(f"the catalog: {error}") from error


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--catalog",
    "catalog_url",
    type=Address("postgresql://"),
    help="postgresql:// address of another catalog.",
)
@click.option(
    "--store",
    "store_url",
    type=Address("file:///", "s3://"),
    help="file:// or s3:// root of another store.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Log what is done, to standard error.")
@click.pass_context
def main(context: click.Context, catalog_url: str | None, store_url: str | None, as_json: bool, verbose: bool) -> None:
    """The Open Empathic pipeline.

    Exit status: 0 done, 1 something was refused (it says what), 2 wrong use. Every verb may be run again.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(message)s", stream=sys.stderr
    )
    given = {"catalog_url": catalog_url, "store_url": store_url}
    settings.configure(**{name: value for name, value in given.items() if value})
    context.obj = as_json


@main.command()
@click.option("--refused", is_flag=True, help="Each input that was refused or waits for another try, and why.")
def status(refused: bool) -> None:
    """The funnel: sources, candidates, ready, annotated, released; and the releases."""
    from include import funnel

    catalog.migrate()
    show(funnel.refusals() if refused else funnel.read())


@main.command()
def migrate() -> None:
    """Bring the catalog's schema up to date. Every verb that writes does so by itself."""
    show({"applied": catalog.migrate()})


RETRY = click.option(
    "--retry",
    type=click.Choice((DUE, *RETRYABLE)),
    help="Only what failed: what is due, or all of a class.",
)


@main.command()
@click.option("--url", "urls", multiple=True, metavar="URL", help="A recording's address, perhaps with #t=START,END.")
@click.option("--limit", type=click.IntRange(1), help="At most so many recordings.")
@RETRY
@click.option("--manifest", type=click.Path(exists=True, dir_okay=False), help="Take in the clips that a CSV names.")
@click.option("--dry-run", is_flag=True, help="Read metadata, write nothing.")
def harvest(urls: tuple[str, ...], limit: int | None, retry: str | None, manifest: str | None, dry_run: bool) -> None:
    """Take in recordings: those given, else those of include/sources.yaml and all that are due."""
    from include import harvest as harvesting
    from include import harvest_plan

    if sum(map(bool, (urls, retry, manifest))) > 1:
        raise click.UsageError("--url, --retry and --manifest exclude each other")
    catalog.migrate()
    try:
        imported = harvest_plan.import_manifest(Path(manifest), dry_run) if manifest else {}
        if manifest:
            batches = harvest_plan.plan_unread(limit, dry_run=dry_run)
        else:
            batches = harvest_plan.plan_batches(urls, limit, dry_run=dry_run, retry=retry)
    except ValueError as error:
        show({"refused": str(error)}, refused=True)
    counts = total([imported, *(harvesting.harvest_batch(**batch) for batch in batches)])
    show(counts, refused=has_refusals(counts))


@main.command()
@click.option("--limit", type=click.IntRange(1), help="At most so many sources.")
@RETRY
def transcode(limit: int | None, retry: str | None) -> None:
    """Download, cut and encode the clips that are due."""
    from include import transcode as transcoding

    catalog.migrate()
    counts = total(transcoding.transcode_batch(batch) for batch in transcoding.plan_batches(limit, retry=retry))
    show(counts, refused=has_refusals(counts))


@main.group()
def clip() -> None:
    """One clip."""


@clip.command(name="show")
@click.argument("clip_id")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw its source into this .svg or .png.")
def show_clip(clip_id: str, plot: Path | None) -> None:
    """Everything known of the clip CLIP_ID; a picture of its source, which is downloaded again for that."""
    from include import audio, faults, funnel, source_plot

    catalog.migrate()
    known = funnel.clip(clip_id)
    if known is None:
        show({"refused": f"no clip {clip_id}"}, refused=True)
    if plot is not None:
        try:
            source_plot.save(clip_id, plot)
        except (faults.Fault, audio.Undecodable) as error:
            show({"refused": str(error)}, refused=True)
    show(known)


for group in (annotations, annotators, gold, labels, release):
    main.add_command(group)

if __name__ == "__main__":
    main(prog_name="oe")
