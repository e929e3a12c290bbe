"""Calls a verb as the console script does, in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from ovseg_annotate.cli.app import app


@dataclass(frozen=True)
class Answer:
    data: str  # stdout
    talk: str  # stderr
    code: int

    @property
    def lines(self) -> list[str]:
        return self.data.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.data)


def ovseg(*arguments: object, code: int = 0) -> Answer:
    """Errors of ours are raised; any other exit code than `code` is a failure."""
    done = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return Answer(done.stdout, done.stderr, done.exit_code)
