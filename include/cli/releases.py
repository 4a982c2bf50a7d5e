"""`./oe release`: versions of the data set."""

import click

from include import catalog
from include.cli.console import show


@click.group()
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
