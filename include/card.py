"""The data card of a release: `README.md`, as Hugging Face shows it."""

from typing import Any

from include import store


def write(version: str, root: str, manifest: dict[str, Any]) -> list[str]:
    """Write the card of a built release below `root` in the store; the paths written."""
    store.write_bytes(f"{root}/README.md", f"# Open Empathic {version}: {manifest['n_clips']} clips\n".encode())
    return [f"{root}/README.md"]
