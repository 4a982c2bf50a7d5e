"""Folders for work in progress, which the next run clears away if their process was killed."""

import fcntl
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include import settings

log = logging.getLogger(__name__)


def _parent() -> Path:
    parent = settings.current().run / "transcode"
    parent.mkdir(parents=True, exist_ok=True)
    return parent


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder, removed with all in it when the block ends. While it is in use, its lock is held."""
    path = Path(tempfile.mkdtemp(dir=_parent()))
    try:
        with (path / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            inside = path / "source"
            inside.mkdir()
            yield inside
    finally:
        shutil.rmtree(path, ignore_errors=True)


def clear_abandoned() -> int:
    """Remove the folders of processes that are no more; how many there were."""
    n_removed = 0
    for path in _parent().iterdir():
        try:
            with (path / ".lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
                n_removed += 1
        except OSError:
            continue  # in use, or just being made
    if n_removed:
        log.warning("%d folders of killed workers removed", n_removed)
    return n_removed
