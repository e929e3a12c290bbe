"""Training from the command line: a tower of a few numbers, a few steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from backbones.micro import write_micro_clip
from cli.runner import ovseg

from ovseg_annotate.errors import OptionError
from ovseg_annotate.session import open_session
from ovseg_annotate.training.progress import read_log

TINY = """
[shape]
image_size = 64
patch_size = 16
width = 64
layers = 2
embed_dim = 80
text_width = 64
text_layers = 1

[pictures]
pictures = 2
focus_pictures = 2
hard_negatives = 2
random_negatives = 2

[loop]
steps = {steps}
warmup_steps = 1
log_every = 1
checkpoint_every = 1
"""


HEAD = """
system = "catseg"
tower = "{tower}"

[parts.sizes]
hidden = 8
heads = 2
taps = [4, 4]
decoder = [8, 4]
decoder_guides = [2, 2]

[pictures]
windows = 2
fewest_phrases = 3
most_phrases = 3

[loop]
steps = 1
seed = 10
precision = "fp32"
"""


def recipe(folder: Path, steps: int) -> Path:
    path = folder / "tiny.toml"
    path.write_text(TINY.format(steps=steps))
    return path


def test_what_was_trained_can_be_opened(tmp_path: Path) -> None:
    said = ovseg(
        "train",
        recipe(tmp_path, 2),
        *("--out", tmp_path / "run", "--device", "cpu", "--export", tmp_path / "tower"),
    )
    assert said.lines == [str(tmp_path / "tower")]
    assert "step 2/2" in said.talk
    assert open_session(f"naclip@{tmp_path / 'tower'}", device="cpu").engine.card.stride == 16


def test_the_same_command_goes_on_where_it_was(tmp_path: Path) -> None:
    command = ("--out", tmp_path / "run", "--device", "cpu")
    ovseg("train", recipe(tmp_path, 1), *command)
    first = read_log(tmp_path / "run")
    ovseg("train", recipe(tmp_path, 1), *command)
    assert read_log(tmp_path / "run") == first


def test_a_recipe_with_an_unknown_key_says_which_there_are(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[loop]\nstep = 3\n")
    with pytest.raises(OptionError, match=r"unknown option 'step'.*steps"):
        ovseg("train", path, "--out", tmp_path / "run")


def test_a_head_on_a_tower_is_trained_by_the_same_command(tmp_path: Path) -> None:
    path = tmp_path / "head.toml"
    path.write_text(HEAD.format(tower=write_micro_clip(tmp_path / "tower")))
    said = ovseg("train", path, "--out", tmp_path / "run", "--export", tmp_path / "head")
    assert "step 1/1" in said.talk
    card = open_session(f"catseg@{tmp_path / 'head'}", device="cpu").engine.card
    assert card.stride == 2


def test_data_for_a_recipe_of_generated_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"unknown option 'data' for MiniRecipe"):
        ovseg("train", recipe(tmp_path, 1), "--data", tmp_path)


def test_a_system_that_there_is_not_is_named_with_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('system = "logosegg"\n')
    with pytest.raises(OptionError, match=r"system: got 'logosegg'; allowed: logoseg"):
        ovseg("train", path)
