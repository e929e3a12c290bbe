from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.runner import ovseg

from ovseg_annotate.errors import OptionError


def test_names_are_shown_with_what_they_are_read_with() -> None:
    said = ovseg("describe", "--prompts", "grass; zyxomma")
    assert "green" in said.data
    assert "lexicon" in said.data
    assert "nobody" in said.data


def test_a_description_of_ones_own_comes_first(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("descriptions:\n- {name: grass, colour: [violet]}\n")
    said = ovseg("describe", "--prompts", "grass", "--file", own)
    assert "violet" in said.data
    assert "file" in said.data


def test_weights_are_chosen_on_pictures_and_written(tmp_path: Path) -> None:
    weights = tmp_path / "weights.json"
    said = ovseg("describe", "--data", "scenes:microscopy", "--count", 2, "--out", weights)
    assert said.lines[-1] == str(weights)
    chosen = json.loads(weights.read_text())["weights"]
    assert chosen
    assert set(chosen.values()) <= {0.0, 0.1, 0.2, 0.5}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "nothing to describe"),
        (("--prompts", "grass", "--out", "weights.json"), "--out needs --data"),
        (("--data", "scenes:easy"), "expected one set"),
    ],
)
def test_what_is_missing_is_named(given: tuple[str, ...], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        ovseg("describe", *given)
