"""What the page about Label Studio tells people to type exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from labelstudio_backend.cli import app
from labelstudio_backend.settings import read_settings
from labelstudio_backend.suggest_options import SuggestOptions, with_extra_params

PAGE = Path(__file__).parents[2] / "docs" / "label-studio.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ovseg-label-studio (.*)$", TEXT, re.MULTILINE)


def test_the_page_shows_every_verb() -> None:
    shown = {command.split()[0] for command in COMMANDS}
    assert shown == set(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_uses_verbs_and_flags_that_exist(command: str) -> None:
    verb, *arguments = shlex.split(command)
    known = get_command(app).commands[verb]  # type: ignore[attr-defined]
    flags = {flag for parameter in known.params for flag in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= flags


def test_the_variables_of_the_page_are_read() -> None:
    names = re.findall(r"\b(LABEL_STUDIO_\w+|BASIC_AUTH_\w+|WEBHOOK_TOKEN)=", TEXT)
    values = {name: "http://127.0.0.1:1" if name.endswith("URL") else "x" for name in names}
    settings = read_settings(values, {})
    assert settings.is_guarded
    assert len(settings.secrets) == 4


def test_the_options_of_the_page_mean_something() -> None:
    table = TEXT.split("## Options")[1].split("## Containers")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    values = {"holes": "fill", "threshold": "0.5", "overlap": "0.5", "scale": "auto"}
    given = {name: values.get(name, "100") for name in names}
    assert len(names) > 8
    assert not with_extra_params(SuggestOptions(), given).warnings


def test_links_and_pictures_of_the_page_are_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT)
    missing = [target for target in targets if not (PAGE.parent / target).exists()]
    assert not missing
