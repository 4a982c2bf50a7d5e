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


@contextmanager
def _parent() -> Iterator[Path]:
    """Where the folders are. Nobody else makes or clears one while the block lasts."""
    parent = settings.current().run / "transcode"
    parent.mkdir(parents=True, exist_ok=True)
    with parent.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield parent


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder, removed with all in it when the block ends. While it is in use, its lock is held."""
    with _parent() as parent:
        path = Path(tempfile.mkdtemp(dir=parent))
        lock = (path / ".lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with lock:
            inside = path / "source"
            inside.mkdir()
            yield inside
    finally:
        shutil.rmtree(path, ignore_errors=True)


def clear_abandoned() -> int:
    """Remove this machine's folders of processes that are no more; how many there were."""
    with _parent() as parent:
        abandoned = [path for path in parent.iterdir() if path.is_dir() and not _is_in_use(path)]
        for path in abandoned:
            shutil.rmtree(path, ignore_errors=True)
    if abandoned:
        log.warning("%d folders of killed workers removed", len(abandoned))
    return len(abandoned)


def _is_in_use(path: Path) -> bool:
    """Whether a process holds a folder's lock. One without a lock lost its process before it could make it."""
    try:
        with (path / ".lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
