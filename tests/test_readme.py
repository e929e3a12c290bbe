"""What the README and the documents tell people to type works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from annotated_samples import picture_file
from typer.main import get_command

from ovseg_annotate.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", DOCS / "command-line.md", DOCS / "fleet.md", ROOT / "Makefile")


def commands_of(page: Path) -> list[str]:
    """The ovseg commands of a page, each on one line."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    text = text.replace("$(BIN)/ovseg", "ovseg")
    return re.findall(r"^\s*(ovseg [a-z].*)$", text, flags=re.MULTILINE)


COMMANDS = [command for page in PAGES for command in commands_of(page)]


def test_the_pages_show_commands() -> None:
    assert {command.split()[1] for command in COMMANDS} >= {"annotate", "show", "convert", "scenes"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_documents_uses_verbs_and_flags_that_exist(command: str) -> None:
    _, verb, *arguments = shlex.split(command, comments=True)
    known = get_command(app).commands[verb]  # type: ignore[attr-defined]
    flags = {flag for parameter in known.params for flag in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= flags


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGES[0].read_text(encoding="utf-8"), re.DOTALL)
    picture_file(tmp_path / "cells.png")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102  our own page
    assert names["annotation"].label_map.size.width == 32  # type: ignore[attr-defined]
    assert len(capsys.readouterr().out.splitlines()) == len(names["annotation"].regions())  # type: ignore[attr-defined]


def test_links_of_the_readme_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", PAGES[0].read_text(encoding="utf-8"))
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing
