"""Every Airflow Asset, once: what one DAG hands to the next, and how it says so.

An event carries counts and ids, never rows: whoever is triggered asks the catalog what is due.
"""

from typing import Any

from airflow.sdk import Asset, Metadata

CANDIDATES = Asset("candidates", uri="open-empathic://catalog/candidates")
READY_CLIPS = Asset("ready_clips", uri="open-empathic://catalog/ready-clips")
LABELS = Asset("labels", uri="open-empathic://catalog/labels")
RELEASES = Asset("releases", uri="open-empathic://store/releases")


def announce(asset_name: str, figures: dict[str, Any]) -> Any:
    """Emit an event of the asset that a task has as its outlet, with what the run came to."""
    assets = {asset.name: asset for asset in (CANDIDATES, READY_CLIPS, LABELS, RELEASES)}
    yield Metadata(assets[asset_name], extra=figures)
