"""The container files, as far as they can be tried without containers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from labelstudio_backend.cli import app
from labelstudio_backend.settings import read_settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
COMPOSE = ROOT / "deploy" / "compose.yaml"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their continued lines joined."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text())
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def arguments_of(kind: str) -> list[str]:
    (text,) = (rest for name, rest in instructions() if name == kind)
    return list(json.loads(text))


def services() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


def assert_understood(command: list[str]) -> None:
    """The verb and its flags exist."""
    verb, *arguments = command
    known = get_command(app).commands[verb]  # type: ignore[attr-defined]
    context = known.make_context(verb, list(arguments), resilient_parsing=True)
    assert not context.args
    flags = {flag for parameter in known.params for flag in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= flags


def test_the_image_is_built_from_files_that_exist() -> None:
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY"]
    missing = [path for paths in copied for path in paths if not (ROOT / path).exists()]
    assert copied
    assert not missing


def test_the_image_holds_every_package_of_the_wheel() -> None:
    wheel = re.search(r"packages = \[(.*)\]", (ROOT / "pyproject.toml").read_text())
    assert wheel is not None
    copied = " ".join(rest for name, rest in instructions() if name == "COPY")
    assert all(package in copied for package in json.loads(f"[{wheel.group(1)}]"))


def test_the_image_runs_as_nobody_special_and_starts_the_server() -> None:
    names = [name for name, _ in instructions()]
    assert names[0] == "FROM"
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert arguments_of("ENTRYPOINT") == ["ovseg-label-studio"]
    assert_understood(arguments_of("CMD"))


def test_the_entry_point_of_the_image_is_installed() -> None:
    (script,) = re.findall(
        r'^ovseg-label-studio = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    module, function = script.split(":")
    code = f"import sys; sys.argv = ['x', '--help']; from {module} import {function}; {function}()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "push" in done.stdout


@pytest.mark.parametrize("name", ["backend", "backend-gpu"])
def test_a_backend_of_the_compose_file_has_what_it_needs(name: str) -> None:
    service = services()[name]
    assert_understood(service["command"])
    assert (COMPOSE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    environment = {key: str(value) for key, value in service["environment"].items()}
    settings = read_settings(environment, {"host": "0.0.0.0"})  # noqa: S104  in its container
    assert settings.is_guarded
    assert settings.label_studio_url == "http://label-studio:8080"


def test_label_studio_is_told_to_allow_private_backends() -> None:
    environment = services()["label-studio"]["environment"]
    assert environment["ML_BLOCK_LOCAL_IP"] == environment["SSRF_PROTECTION_ENABLED"] == "false"


def test_the_commands_in_the_compose_file_exist() -> None:
    text = COMPOSE.read_text().replace("\\\n#", "")
    (connecting,) = re.findall(r"backend\s+(connect .*)", text)
    assert_understood(connecting.split())


def test_every_volume_is_declared() -> None:
    declared = set(yaml.safe_load(COMPOSE.read_text())["volumes"])
    used = {
        volume.split(":")[0] for service in services().values() for volume in service["volumes"]
    }
    assert used == declared
