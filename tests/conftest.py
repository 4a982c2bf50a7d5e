"""A real catalog and store for each test, recordings made in code, and a web server on this machine to get them."""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import imageio_ffmpeg
import numpy as np
import psycopg
import pytest
import soundfile

from include import catalog, settings
from local.serve import serving

RATE_HZ = 24_000


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of the `template` database, migrated, on an embedded server that lives as long as the tests."""
    settings.configure(run=tmp_path_factory.mktemp("run"), catalog_url=None)
    url = catalog.embedded_url("template")
    settings.configure(catalog_url=url)
    catalog.migrate()
    return url


@pytest.fixture
def pipeline(postgres: str, tmp_path: Path) -> Iterator[settings.Settings]:
    """Settings of an empty pipeline: a migrated catalog and a store of its own."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.replace("/template?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"create database {name} template template")  # the name is made one line above
    yield settings.configure(
        run=tmp_path / "run",
        catalog_url=postgres.replace("/template?", f"/{name}?"),
        store_url=(tmp_path / "store").as_uri(),
    )
    settings.configure()


def sql(statement: str, *parameters: object) -> list[dict[str, Any]]:
    """Run a statement on the test's catalog; its rows, if it gives any."""
    with catalog.connect() as connection:
        cursor = connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def chirp(duration_s: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Mono float audio of shape (samples,) whose frequency tells the time: 200 Hz at its start, +100 Hz a second."""
    time_s = np.arange(int(duration_s * rate_hz)) / rate_hz
    return 0.3 * np.sin(2 * np.pi * (200 * time_s + 50 * time_s**2))


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    """Make a recording in `site/`: `recording("talk.m4a", 12.5)` is 12.5 s of chirp, encoded by its suffix."""

    def make(name: str, duration_s: float, *, samples: np.ndarray | None = None, options: tuple[str, ...] = ()) -> Path:
        site = tmp_path / "site"
        site.mkdir(exist_ok=True)
        wav = tmp_path / f"{uuid4().hex}.wav"
        soundfile.write(wav, chirp(duration_s) if samples is None else samples, RATE_HZ)
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", "-i", str(wav)]
        subprocess.run([*command, *options, str(site / name)], check=True)
        return site / name

    return make


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """URL of a web server on 127.0.0.1 for what `recording` makes."""
    folder = tmp_path / "site"
    folder.mkdir(exist_ok=True)
    with serving(folder) as url:
        yield url


_clock = datetime(2026, 1, 1, tzinfo=UTC)


def annotation(clip_id: str, annotator_id: str, **said: Any) -> dict[str, Any]:
    """A row of an annotation file: a plausible one, with `said` laid over it. Each is a minute after the last."""
    global _clock
    _clock += timedelta(minutes=1)
    return {
        "clip_id": clip_id,
        "annotator_id": annotator_id,
        "submitted_at": _clock.isoformat(),
        "time_spent_s": 40.0,
        "arousal": 5,
        "valence": 0,
        "emotions": ["neutral"],
        **said,
    }


def jsonl(rows: list[Any]) -> bytes:
    """Rows as a JSONL file; a row that is text or bytes already stands as it is."""
    lines = [
        row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode() for row in rows
    ]
    return b"".join(line + b"\n" for line in lines)
