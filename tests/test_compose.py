"""The production files: docker-compose.yaml, .env.example, Dockerfile, requirements-image.txt.

No Docker engine is asked for. What can be known without one is checked: names against the installed Airflow, the
variables against each other, and, where docker-compose is on PATH, that it accepts the file.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from include import settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE_TEXT = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
ENV_EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
# What has its default in settings.py: every setting of ours but those that the deployment itself depends on.
OPTIONAL = {name for name in ENV_EXAMPLE if name.startswith("OPEN_EMPATHIC_")} - {
    f"OPEN_EMPATHIC_{name}"
    for name in ("STORE_URL", "S3_ENDPOINT_URL", "HARVEST_SLOTS", "TRANSCODE_SLOTS", "PSEUDONYM_KEY")
}

ONE_SHOT = {"postgres-init", "init"}
BUNDLE_ROOT = "/opt/open-empathic"

# `$$` is an escaped dollar, so `$${X}` is the container's shell's business and not Compose's.
REFERENCE = re.compile(r"(?<!\$)(?:\$\$)*\$\{(?P<name>\w+)(?P<operator>:\?|:-|-|\?)?(?P<rest>[^}]*)\}")
REQUIRED = re.compile(r"\$\{\w+:\?[^}]+\}")
SECRET_NAME = re.compile(r"(PASSWORD|SECRET|TOKEN|KEY|KEY_ID|AUTH)$")


def references() -> list[re.Match[str]]:
    code = "\n".join(line for line in COMPOSE_TEXT.splitlines() if not line.lstrip().startswith("#"))
    return list(REFERENCE.finditer(code))


def environment_entries() -> list[tuple[str, str, str]]:
    """(service, name, value) of every environment variable."""
    return [
        (service, name, value)
        for service, body in SERVICES.items()
        for name, value in body.get("environment", {}).items()
    ]


def strings(node: object) -> list[str]:
    if isinstance(node, dict):
        return [text for child in node.values() for text in strings(child)]
    if isinstance(node, list):
        return [text for child in node for text in strings(child)]
    return [node] if isinstance(node, str) else []


def airflow_options() -> set[tuple[str, str]]:
    """(SECTION, OPTION), upper case, of everything that can be set in the installed Airflow."""
    import airflow
    from airflow.providers.celery.get_provider_info import get_provider_info as celery_info
    from airflow.providers.fab.get_provider_info import get_provider_info as fab_info

    core = yaml.safe_load((Path(airflow.__file__).parent / "config_templates" / "config.yml").read_text("utf-8"))
    sections = [core, celery_info()["config"], fab_info()["config"]]
    return {
        (section.upper(), option.upper())
        for part in sections
        for section, body in part.items()
        for option in body["options"]
    }


def airflow_commands() -> list[list[str]]:
    """Arguments of every `airflow` call: commands, health checks, the steps of init."""
    lists = [body.get("command", []) for body in SERVICES.values()]
    lists += [body.get("healthcheck", {}).get("test", [])[1:] for body in SERVICES.values()]
    found = [parts[1:] for parts in lists if parts[:1] == ["airflow"]]
    for line in SERVICES["init"]["command"][2].splitlines():
        if line.startswith("airflow "):
            # A number, since slots must be one.
            found.append(shlex.split(re.sub(r"\$\$\w+", "7", line))[1:])
    return found


def test_every_airflow_variable_names_an_option_that_exists() -> None:
    names = {name for _, name, _ in environment_entries() if name.startswith("AIRFLOW__")}
    assert len(names) > 10
    options = airflow_options()
    unknown = {name for name in names if tuple(name.removeprefix("AIRFLOW__").split("__", 1)) not in options}
    assert unknown == set()


def test_every_airflow_service_has_the_shared_environment() -> None:
    shared = COMPOSE["x-airflow-environment"]
    airflow_services = {name for name, body in SERVICES.items() if "build" in body}
    assert airflow_services == {"init", "api-server", "scheduler", "dag-processor", "triggerer", "worker"}
    for name in airflow_services:
        assert shared.items() <= SERVICES[name]["environment"].items(), name
    for name in (
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__API__SECRET_KEY",
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    ):
        assert name in shared


def test_every_setting_of_ours_is_a_field() -> None:
    names = {name for _, name, _ in environment_entries() if name.startswith("OPEN_EMPATHIC_")}
    known = {f"OPEN_EMPATHIC_{field.upper()}" for field in settings.Settings.model_fields}
    assert names
    assert names - known == set()


def test_bundle_plugins_and_pythonpath_are_where_the_image_has_them() -> None:
    shared = COMPOSE["x-airflow-environment"]
    (bundle,) = json.loads(shared["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert bundle["kwargs"] == {"path": BUNDLE_ROOT}
    assert shared["AIRFLOW__CORE__PLUGINS_FOLDER"] == f"{BUNDLE_ROOT}/plugins"
    assert shared["PYTHONPATH"] == BUNDLE_ROOT
    assert f"\nWORKDIR {BUNDLE_ROOT}\nCOPY --from=packages {BUNDLE_ROOT}/.venv .venv\n" in DOCKERFILE
    for folder in ("/opt/airflow/logs", shared["OPEN_EMPATHIC_RUN"]):
        assert f" {folder}" in DOCKERFILE, "the image must own the folder that a volume is mounted on"
        assert any(volume.endswith(f":{folder}") for volume in SERVICES["worker"]["volumes"])


def test_no_secret_stands_in_the_file() -> None:
    secrets = {(service, name): value for service, name, value in environment_entries() if SECRET_NAME.search(name)}
    assert len(secrets) > 10
    assert {key: value for key, value in secrets.items() if not REQUIRED.fullmatch(value)} == {}
    password_in_url = re.compile(r"://[^/\s:@]*:([^@\s/]+)@")
    for text in strings(COMPOSE):
        for found in password_in_url.finditer(REQUIRED.sub("<required>", text)):
            assert found[1] == "<required>", text
    command = SERVICES["valkey"]["command"]
    assert REQUIRED.fullmatch(command[command.index("--requirepass") + 1])


def test_env_example_and_compose_name_the_same_variables() -> None:
    assert {found["name"] for found in references()} == set(ENV_EXAMPLE)


def test_a_variable_without_a_default_stops_the_start() -> None:
    for found in references():
        name, default = found["name"], ENV_EXAMPLE[found["name"]]
        if name in OPTIONAL:
            assert (found["operator"], found["rest"], default) == (":-", "", ""), f"{name}: settings.py has its default"
        elif default == "":
            assert found["operator"] == ":?", f"{name}: empty in .env.example, so it must be required"
            assert name in found["rest"], f"{name}: the message must name the variable"
        else:
            assert found["rest"] == default, f"{name}: .env.example and docker-compose.yaml give other defaults"


def test_every_long_running_service_is_checked_and_restarted() -> None:
    for name, body in SERVICES.items():
        if name in ONE_SHOT:
            assert body["restart"] == "no", name
        else:
            assert body["restart"] == "unless-stopped", name
            assert body["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name
            assert {"interval", "timeout", "retries"} <= body["healthcheck"].keys(), name


def test_what_a_service_waits_for_can_come_true() -> None:
    for name, body in SERVICES.items():
        for other, how in body.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert how["condition"] == expected, f"{name} on {other}"
            assert other in SERVICES


def test_ports_are_bound_to_this_host_only() -> None:
    ports = [port for body in SERVICES.values() for port in body.get("ports", [])]
    assert ports
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", str(port))] == []
    assert not any("network_mode" in body for body in SERVICES.values())


def test_images_are_pinned() -> None:
    pinned = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*")
    for name, body in SERVICES.items():
        if "build" in body:
            assert body["image"].startswith("open-empathic:"), name
        else:
            assert pinned.fullmatch(body["image"]), f"{name}: {body['image']}"
    assert re.search(r"^ARG PYTHON=\d+\.\d+\.\d+$", DOCKERFILE, re.MULTILINE)
    sources = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert sources
    assert set(sources) == {"python:${PYTHON}-slim-bookworm"}


def test_image_runs_the_python_that_the_tests_run() -> None:
    found = re.search(r"^ARG PYTHON=(\d+)\.(\d+)", DOCKERFILE, re.MULTILINE)
    assert found
    assert (int(found[1]), int(found[2])) == sys.version_info[:2]


def test_image_is_not_root() -> None:
    assert DOCKERFILE.rstrip().splitlines()[-1] == "USER airflow"


def test_what_the_image_copies_is_there_and_sent_to_the_builder() -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in allowed, "an allow list"
    copies = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    sources = [source for line in copies for source in line.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in allowed, source


@pytest.mark.parametrize(
    "line",
    [
        line
        for line in (ROOT / "requirements-image.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ],
)
def test_image_requirement_is_the_version_tested_here(line: str) -> None:
    requirement = Requirement(line)
    assert str(requirement.specifier) == f"=={version(requirement.name)}"


def test_pools_are_the_ones_the_dags_name() -> None:
    assert ["pools", "import", "/tmp/pools.json"] in airflow_commands()
    [making] = [line for line in SERVICES["init"]["command"][2].splitlines() if "pools" in line and "python" in line]
    command = making.partition(" > ")[0].replace("python", sys.executable, 1)
    made = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert json.loads(made) == settings.Settings().pools


def test_each_setting_that_the_operating_guide_names_is_passed_on() -> None:
    guide = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    named = {
        f"OPEN_EMPATHIC_{name}" for name in re.findall(r"(?:OPEN_EMPATHIC|…)_([A-Z][A-Z_]*[A-Z])\b(?!_?\*)", guide)
    }
    assert len(named) > 10
    assert named - set(COMPOSE["x-airflow-environment"]) == set()


def test_what_nobody_set_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = settings.Settings().model_dump()
    for name in settings.Settings.model_fields:
        if f"OPEN_EMPATHIC_{name.upper()}" not in os.environ:
            monkeypatch.setenv(f"OPEN_EMPATHIC_{name.upper()}", "")
    assert settings.Settings().model_dump() == expected


def test_airflow_loads_its_executor_and_knows_every_command(tmp_path: Path) -> None:
    """In a process of its own: which commands there are depends on the executor and auth manager that are set."""
    shared = COMPOSE["x-airflow-environment"]
    environment = settings.process_environment(
        AIRFLOW_HOME=str(tmp_path),
        **{
            name: shared[name]
            for name in (
                "AIRFLOW__CORE__EXECUTOR",
                "AIRFLOW__CORE__AUTH_MANAGER",
                "AIRFLOW__CORE__LOAD_EXAMPLES",
            )
        },
    )
    commands = airflow_commands()
    assert len(commands) >= 9
    app = re.search(r"--app (\S+)\.app ", SERVICES["worker"]["healthcheck"]["test"][1])
    assert app
    code = (
        "import importlib, json, sys\n"
        "from airflow.cli.cli_parser import get_parser\n"
        "from airflow.configuration import conf\n"
        "module, commands = json.loads(sys.argv[1])\n"
        "assert importlib.import_module(module).app.conf.broker_url\n"
        "assert conf.getimport('core', 'auth_manager').__name__ == 'FabAuthManager'\n"
        "for command in commands: get_parser().parse_args(command)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps([app[1], commands])],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def compose_config(env_file: Path, program: str) -> subprocess.CompletedProcess[str]:
    # Only PATH: a variable of this shell would count above the file's.
    return subprocess.run(
        [program, "--env-file", str(env_file), "-f", str(ROOT / "docker-compose.yaml"), "config"],
        env={"PATH": os.environ["PATH"], "HOME": str(env_file.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


DOCKER_COMPOSE = shutil.which("docker-compose") or ""

if DOCKER_COMPOSE:

    def test_docker_compose_accepts_the_file(tmp_path: Path) -> None:
        env_file = tmp_path / "filled.env"
        filled = {name: value or f"filled-{name.lower()}" for name, value in ENV_EXAMPLE.items()}
        env_file.write_text("".join(f"{name}={value}\n" for name, value in filled.items()), encoding="utf-8")
        done = compose_config(env_file, DOCKER_COMPOSE)
        assert done.returncode == 0, done.stderr
        resolved = yaml.safe_load(done.stdout)
        assert resolved["services"].keys() == SERVICES.keys()
        worker = resolved["services"]["worker"]["environment"]
        assert worker["OPEN_EMPATHIC_CATALOG_URL"] == (
            "postgresql://catalog:filled-catalog_db_password@postgres:5432/catalog"
        )

    def test_docker_compose_refuses_each_missing_secret(tmp_path: Path) -> None:
        env_file = tmp_path / "missing.env"
        for missing in [name for name, value in ENV_EXAMPLE.items() if value == "" and name not in OPTIONAL]:
            filled = {name: value or "filled" for name, value in ENV_EXAMPLE.items()} | {missing: ""}
            env_file.write_text("".join(f"{name}={value}\n" for name, value in filled.items()), encoding="utf-8")
            done = compose_config(env_file, DOCKER_COMPOSE)
            assert done.returncode != 0, missing
            assert missing in done.stderr
