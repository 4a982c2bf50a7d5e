"""A real catalog and store for each test, recordings made in code, and a web server on this machine to get them."""

import atexit
import contextlib
import io
import json
import mimetypes
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import imageio_ffmpeg
import numpy as np
import psycopg
import pytest
import soundfile

from include import annotations, card, catalog, checks, raters, release, settings, store
from local.serve import serving

RATE_HZ = 24_000

# Of a ready clip that no recording was decoded for.
MEASURES = json.dumps(
    {
        "peak_dbfs": -10.46, "rms_dbfs": -13.47, "loudness_lufs": -23.0, "loudness_range_lu": 3.1,
        "true_peak_dbtp": -10.4, "gain_db": 1.5, "clipped_share": 0.0, "speech_share": 0.8, "longest_pause_s": 0.4,
        "snr_db": 31.0, "bandwidth_hz": 8000, "dc_offset": 0.0, "n_channels": 2, "has_distinct_channels": False,
    }
)  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def _loopback_sites() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.LOOPBACK_SITES.items():
            patch.setenv(f"OPEN_EMPATHIC_{name.upper()}", json.dumps(value))
        yield


@pytest.fixture(scope="session")
def postgres() -> str:
    """URL of the `template` database, migrated, on an embedded server that lives as long as the tests."""
    # Not in pytest's own folder: root's server runs as another user, whom the next start of pytest would shut out.
    run = Path(tempfile.mkdtemp(prefix="open_empathic_"))
    atexit.register(shutil.rmtree, run, ignore_errors=True)  # after the server's own, which stops it
    settings.configure(run=run, catalog_url=None)
    url = catalog.embedded_url("template")
    settings.configure(catalog_url=url)
    catalog.migrate()
    with psycopg.connect(url, autocommit=True) as connection:
        # A power cut may cost the tests their data: a database for each is made several times faster.
        connection.execute("alter system set fsync = off")
        connection.execute("select pg_reload_conf()")
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


@pytest.fixture
def tones_are_taken(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let recordings of chirps pass, in this process and in workers: what is tested here is not the limits."""
    limits = {"min_speech_share": 0.0, "min_bandwidth_hz": 0.0}
    settings.configure(**pipeline.model_dump() | limits)
    for name, limit in limits.items():
        monkeypatch.setenv(f"OPEN_EMPATHIC_{name.upper()}", str(limit))


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of an Airflow with an empty SQLite of its own, whose bundle is the repository."""
    bundle = {
        "name": "open-empathic",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(settings.ROOT)},
    }
    environment = settings.process_environment(
        AIRFLOW_HOME=str(tmp_path_factory.mktemp("airflow")),
        PYTHONPATH=str(settings.ROOT),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__UNIT_TEST_MODE="False",
        AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=json.dumps([bundle]),
    )
    _airflow(environment, "db", "migrate")
    return environment


@pytest.fixture
def run_dag(airflow_home: dict[str, str], pipeline: settings.Settings) -> Callable[..., str]:
    """Run a DAG's own tasks, without a scheduler, on the test's catalog and store; the log of a run that ended well.

    `run_dag("dag_id", {"param": value}, VARIABLE="of the environment")`.
    """

    def run(dag_id: str, params: dict[str, Any], **variables: str) -> str:
        environment = {
            **airflow_home,
            "OPEN_EMPATHIC_RUN": str(pipeline.run),
            "OPEN_EMPATHIC_CATALOG_URL": str(pipeline.catalog_url),
            "OPEN_EMPATHIC_STORE_URL": pipeline.store_url,
            **variables,
        }
        log = _airflow(environment, "dags", "test", dag_id, "--conf", json.dumps(params))
        assert "state=success" in log or "state:success" in log, log[-4000:]
        return log

    return run


def _airflow(environment: dict[str, str], *arguments: str) -> str:
    command = [Path(sys.executable).with_name("airflow"), *arguments]
    done = subprocess.run(command, env=environment, cwd=settings.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


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


class Web:
    """A web server on 127.0.0.1 that answers as it is told to, 404 otherwise, and notes what it was asked for.

    While `is_open` is clear, answers wait; with `drip_s`, or `drips` of their path, they come a byte at a time.
    """

    def __init__(self) -> None:
        web = self
        self.requests: list[str] = []
        self.is_open = Event()
        self.is_open.set()
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.agents: list[str] = []
        self.cookies: list[str] = []
        self.authorizations: list[str] = []
        self.drip_s = 0.0
        self.drips: dict[str, float] = {}
        self.n_connections = 0
        self.drops_after: dict[str, int] = {}

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                super().setup()
                web.n_connections += 1

            def do_GET(self) -> None:
                web.requests.append(self.path)
                web.agents.append(self.headers.get("User-Agent", ""))
                web.cookies += self.headers.get_all("Cookie", [])
                web.authorizations += self.headers.get_all("Proxy-Authorization", [])
                web.is_open.wait(20)
                status, content_type, body = web.answers.get(self.path, (404, "text/plain", b""))
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                if status != 200 or not self.path.startswith("/endless"):
                    self.send_header("Content-Length", str(len(body)))
                for name, value in web.headers.get(self.path, {}).items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    if self.path in web.drops_after:
                        self.wfile.write(body[: web.drops_after[self.path]])
                        self.close_connection = True
                    elif drip_s := web.drips.get(self.path, web.drip_s):
                        for n in range(len(body)):
                            self.wfile.write(body[n : n + 1])
                            time.sleep(drip_s)
                    else:
                        self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def add(self, path: str, body: bytes | str | Path = b"", status: int = 200, content_type: str = "") -> str:
        """Answer a request for `path` with this; its URL."""
        content = body.read_bytes() if isinstance(body, Path) else body.encode() if isinstance(body, str) else body
        guessed = mimetypes.guess_type(path)[0] or "text/html"
        self.answers[f"/{path}"] = (status, content_type or guessed, content)
        return f"{self.url}/{path}"


@contextlib.contextmanager
def serving_web() -> Iterator[Web]:
    """A `Web` that serves meanwhile."""
    found = Web()
    Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    """A `Web` that serves while the test runs."""
    with serving_web() as found:
        yield found


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
    lines = [row if isinstance(row, str | bytes) else json.dumps(row) for row in rows]
    return b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)


def ready_clip(video_id: str, start_ms: int = 0, *, channel: str = "", duration_s: float = 0.5) -> str:
    """Put a ready clip with audio of its own into catalog and store, as if harvested and transcoded; its id."""
    clip_id = f"youtube-{video_id}-{start_ms}-{start_ms + int(duration_s * 1000)}"
    pcm = np.random.default_rng(list(clip_id.encode())).integers(-9000, 9000, int(duration_s * RATE_HZ), np.int16)
    flac = io.BytesIO()
    soundfile.write(flac, pcm, RATE_HZ, format="FLAC", subtype="PCM_16")
    sha256 = store.put_audio(flac.getvalue())
    sql(
        "insert into catalog.source (source_id, url, title, channel, speaker_group, licence, language)"
        " values (%s, %s, 'A talk', nullif(%s, ''), %s, 'CC-BY-4.0', 'en') on conflict do nothing",
        *(f"youtube:{video_id}", f"https://www.youtube.com/watch?v={video_id}", channel, channel or video_id),
    )
    sql(
        "insert into catalog.clip (clip_id, source_id, start_ms, end_ms, state, audio_sha256, sample_rate_hz,"
        " duration_s, measures) values (%s, %s, %s, %s, 'ready', %s, %s, %s, %s)",
        *(clip_id, f"youtube:{video_id}", start_ms, start_ms + int(duration_s * 1000), sha256, RATE_HZ, duration_s),
        MEASURES,
    )
    return clip_id


def merge(rows: list[Any], file: str = "form.jsonl") -> dict[str, int]:
    """Merge rows as one annotation file; what merge_stream() counts."""
    return annotations.merge_stream(io.BytesIO(jsonl(rows)), file)


def agreed(clip_ids: list[str], n_raters: int = 3, **said: Any) -> None:
    """Let `n_raters` annotators say the same of each clip."""
    merge([annotation(clip_id, f"rater-{n}", **said) for clip_id in clip_ids for n in range(n_raters)])


def believe(annotator_id: str, *, weight: float | None = None, state: str | None = None) -> None:
    """Decide, above any evidence, how much an annotator's votes weigh or what state they are in."""
    sql("insert into catalog.annotator (annotator_id) values (%s) on conflict do nothing", annotator_id)
    assert raters.overrule(annotator_id, state, weight, "a test")


def plain_card(version: str, root: str, *_: Any) -> list[str]:
    """A card of one line, for tests of other things."""
    store.write_bytes(f"{root}/README.md", version.encode())
    return [f"{root}/README.md"]


def no_checks(version: str, **_: Any) -> dict[str, int]:
    """A release's checks that find nothing: the real ones take seconds."""
    if not store.exists(f"releases/{version}/manifest.json"):
        store.write_bytes(f"releases/{version}/checks/results.json", b"[]")
    return {}


@pytest.fixture
def has_plain_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "write", plain_card)


@pytest.fixture
def quick(has_plain_card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain card and no Great Expectations."""
    monkeypatch.setattr(checks, "check_release", no_checks)


def publish_unchecked(version: str) -> dict[str, Any]:
    """Build and promote a release without its checks; its manifest."""
    release.freeze(version)
    for batch in release.plan_shards(version):
        release.build_shards(version, batch)
    no_checks(version)
    release.write_tables_and_card(version)
    release.write_manifest(version)
    release.promote(version)
    return release.read_manifest(version)
