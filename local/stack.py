"""Everything on one machine: the embedded Postgres and Airflow's four processes, started and stopped as one.

`up` starts a supervisor in the background and waits until Airflow is healthy; `down` ends it. All state lies in the
run folder; every port is free, on 127.0.0.1, and printed. For production see docs/production.md.
"""

import json
import logging
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import httpx
import psutil

from include import catalog, settings

log = logging.getLogger("stack")

COMPONENTS = {
    # Their own log servers would listen on all interfaces; on one machine the UI reads the files.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "api-server": ["api-server"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
HEALTHY_PARTS = {"metadatabase", "scheduler", "triggerer", "dag_processor"}
START_TIMEOUT_S = 180
STOP_TIMEOUT_S = 30


def run_folder() -> Path:
    """Where all run-time state lies."""
    return settings.current().run


def state() -> dict[str, Any] | None:
    """What the running supervisor wrote of itself (`pid`, `url`), or None if none runs."""
    path = run_folder() / "stack.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    try:
        is_ours = "local.stack" in psutil.Process(found["pid"]).cmdline()
    except psutil.Error:
        is_ours = False
    return found if is_ours else None


def password() -> str:
    """Password of the user `admin`, which Airflow made at its first start."""
    path = run_folder() / "airflow" / "passwords.json"
    return str(json.loads(path.read_text(encoding="utf-8"))["admin"])


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def secret(name: str) -> str:
    """A secret of this installation, made once and readable by its user alone."""
    path = run_folder() / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def airflow_environment(port: int) -> dict[str, str]:
    """Environment of Airflow's processes: the whole configuration of the installation."""
    from base64 import urlsafe_b64encode
    from hashlib import sha256

    home = run_folder() / "airflow"
    url = f"http://127.0.0.1:{port}"
    bundle = {
        "name": "open-empathic",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(settings.ROOT)},
    }
    metadata_url = catalog.embedded_url("airflow").replace("postgresql://", "postgresql+psycopg2://", 1)
    return settings.process_environment(
        PYTHONPATH=str(settings.ROOT),
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__EXECUTOR="LocalExecutor",
        AIRFLOW__CORE__PARALLELISM="4",
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="False",
        AIRFLOW__CORE__PLUGINS_FOLDER=str(settings.ROOT / "plugins"),
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS="admin:admin",
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=str(home / "passwords.json"),
        AIRFLOW__CORE__FERNET_KEY=urlsafe_b64encode(sha256(secret("fernet").encode()).digest()).decode(),
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"{url}/execution/",
        AIRFLOW__API__HOST="127.0.0.1",
        AIRFLOW__API__PORT=str(port),
        AIRFLOW__API__BASE_URL=url,
        AIRFLOW__API__SECRET_KEY=secret("api"),
        AIRFLOW__API__INSTANCE_NAME="Open Empathic",
        AIRFLOW__API_AUTH__JWT_SECRET=secret("jwt"),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=metadata_url,
        AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=json.dumps([bundle]),
        AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(run_folder() / "logs" / "tasks"),
        AIRFLOW__DAG_PROCESSOR__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY=str(run_folder() / "logs" / "dag_processor"),
        AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME="0.5",
        AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
        AIRFLOW_CONN_OPEN_EMPATHIC_CATALOG=catalog.url(),
        MPLCONFIGDIR=str(run_folder() / "cache" / "matplotlib"),
        OPEN_EMPATHIC_RUN=str(run_folder()),
        OPEN_EMPATHIC_CATALOG_URL=catalog.url(),
        OPEN_EMPATHIC_STORE_URL=settings.current().store_root,
    )


def start(environment: dict[str, str], *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start an Airflow command of the installation that runs this process."""
    return subprocess.Popen([Path(sys.executable).with_name("airflow"), *arguments], env=environment, **options)


def run_to_end(environment: dict[str, str], *arguments: str) -> None:
    """Run an Airflow command; its output goes to the log. Raises RuntimeError if it fails."""
    if start(environment, *arguments).wait() != 0:
        raise RuntimeError(f"airflow {' '.join(arguments)} failed; its output stands above")


def supervise(port: int) -> None:
    """Start everything, and stop everything on SIGTERM or as soon as one part ends. Runs until then."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    catalog.migrate()
    environment = airflow_environment(port)
    run_to_end(environment, "db", "migrate")
    pools_path = run_folder() / "pools.json"
    pools_path.write_text(json.dumps(settings.current().pools), "utf-8")
    run_to_end(environment, "pools", "import", str(pools_path))
    running = {}
    try:
        for name, command in COMPONENTS.items():
            output = (run_folder() / "logs" / f"{name}.log").open("ab")
            running[name] = start(environment, *command, stdout=output, stderr=output)
        while all(process.poll() is None for process in running.values()):
            time.sleep(0.5)
        ended = [name for name, process in running.items() if process.poll() is not None]
        print(f"ended by itself: {', '.join(ended)}; stopping the rest", flush=True)
    finally:
        stop_processes([psutil.Process(process.pid) for process in running.values() if process.poll() is None])


def stop_processes(processes: list[psutil.Process]) -> None:
    """Ask processes to end, and end those that don't, with all that they started."""
    family = [child for process in processes for child in process.children(recursive=True)]
    for process in processes:
        process.terminate()
    _, stubborn = psutil.wait_procs([*processes, *family], timeout=STOP_TIMEOUT_S)
    for process in stubborn:
        process.kill()


def health(url: str) -> dict[str, str]:
    """Status of each of Airflow's parts; empty while it does not answer."""
    try:
        answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=5).json()
    except (httpx.HTTPError, json.JSONDecodeError):
        return {}
    return {name: part["status"] for name, part in answer.items() if part.get("status")}


def up() -> dict[str, Any]:
    """Start the stack if it does not run, and wait until it is healthy. Returns `pid` and `url`.

    Raises RuntimeError, naming the log, if it does not come up.
    """
    running = state()
    if running is not None:
        return running
    (run_folder() / "logs").mkdir(parents=True, exist_ok=True)
    log_path = run_folder() / "logs" / "stack.log"
    port = free_port()
    with log_path.open("ab") as output:
        # A session of its own: Ctrl-C in the terminal is for the one who waits, not for what was started.
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "local.stack", "supervise", str(port)],
            cwd=settings.ROOT,
            env=settings.process_environment(
                PYTHONPATH=str(settings.ROOT), **settings.as_environment(*settings.LOOPBACK_SITES)
            ),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    allowed = sorted(settings.current().egress_allowed_hosts)
    started = {"pid": supervisor.pid, "url": f"http://127.0.0.1:{port}", "egress_allowed_hosts": allowed}
    (run_folder() / "stack.json").write_text(json.dumps(started), encoding="utf-8")
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if supervisor.poll() is not None:
            raise RuntimeError(f"Airflow did not start; the reason is at the end of {log_path}")
        parts = health(started["url"])
        if parts.keys() >= HEALTHY_PARTS and set(parts.values()) == {"healthy"}:
            return started
        time.sleep(0.5)
    raise RuntimeError(f"Airflow was not healthy within {START_TIMEOUT_S} s; see {log_path.parent}")


def down() -> bool:
    """Stop the stack; whether one ran."""
    running = state()
    if running is None:
        return False
    supervisor = psutil.Process(running["pid"])
    supervisor.terminate()
    try:
        supervisor.wait(STOP_TIMEOUT_S * 2)
    except psutil.TimeoutExpired:
        stop_processes([supervisor])
    (run_folder() / "stack.json").unlink(missing_ok=True)
    return True


@click.group()
def main() -> None:
    """Postgres and Airflow on this machine."""


@main.command(name="up")
def up_command() -> None:
    """Start everything and say where it is."""
    click.echo("Starting Postgres and Airflow …")
    try:
        url = up()["url"]
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    inbox = f"{settings.current().store_root.removeprefix('file://')}/inbox/annotations/"
    click.echo(f"Airflow is at {url}, user admin, password {password()}\n")
    click.echo("To try it on YouTube:")
    click.echo("  1. Trigger the DAG harvest_clips with addresses of videos; transcode_audio follows by itself.")
    click.echo("  2. See what became of them: './oe status', or the page 'Open Empathic' in Airflow's navigation.")
    click.echo(f"  3. Put annotations (*.jsonl) into {inbox}, then trigger publish_release.")
    click.echo("'make down' stops everything.")


@main.command(name="down")
def down_command() -> None:
    """Stop everything."""
    click.echo("stopped" if down() else "nothing was running")


@main.command(name="supervise", hidden=True)
@click.argument("port", type=int)
def supervise_command(port: int) -> None:
    """Run in the background; `up` starts it."""
    supervise(port)


if __name__ == "__main__":
    main()
