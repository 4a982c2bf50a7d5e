"""`./oe`: the pipeline's verbs from a shell, on the very functions that the DAGs call. Needs no Airflow running."""

import json
import logging
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from include import catalog, settings
from include.faults import DUE, RETRYABLE

DONE, REFUSED = 0, 1
OUTCOMES_REFUSED = ("rejected", "refused", "gone", "broken", "unsupported", "failed", "quota", "transient")


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


@main.group()
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


@main.group()
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


@main.group()
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


@main.group()
def release() -> None:
    """Versions of the data set."""


@release.command()
@click.option("--version", metavar="V", help="YYYY.MM.DD or YYYY.MM.DD.N; default: today's next.")
@click.option("--compact", is_flag=True, help="Pack all clips into full shards anew, instead of where they lie.")
@click.option("--allow-drift", is_flag=True, help="Though groups or agreement moved far from the last release's.")
def build(version: str | None, compact: bool, allow_drift: bool) -> None:
    """Freeze, check, build, verify and promote a release; nothing, if nothing changed."""
    from include import checks, shards
    from include import release as releases

    catalog.migrate()
    try:
        show(releases.build(version, is_compact=compact, is_drift_allowed=allow_drift))
    except (checks.CheckFailed, shards.Damaged, releases.ReleaseError) as error:
        show({"refused": str(error)}, refused=True)


@release.command()
@click.argument("path_or_version")
def verify(path_or_version: str) -> None:
    """Prove that a release is whole: by its version, or by the folder or URL where a copy of it lies."""
    from include import release as releases
    from include import shards

    try:
        show(releases.verify(path_or_version))
    except (shards.Damaged, releases.ReleaseError) as error:
        show({"refused": str(error)}, refused=True)


@release.command()
@click.argument("version")
def promote(version: str) -> None:
    """Make VERSION the one that releases/latest.json names."""
    from include import release as releases

    catalog.migrate()
    try:
        show(releases.promote(version))
    except releases.ReleaseError as error:
        show({"refused": str(error)}, refused=True)


@release.command()
@click.argument("old")
@click.argument("new")
def diff(old: str, new: str) -> None:
    """Clips added, changed and removed from OLD to NEW."""
    from include import release as releases

    catalog.migrate()
    try:
        show(releases.diff(old, new))
    except releases.ReleaseError as error:
        show({"refused": str(error)}, refused=True)


if __name__ == "__main__":
    main(prog_name="oe")
