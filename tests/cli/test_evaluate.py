"""`ovseg evaluate`, with an engine whose answers are known and once with a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from backbones.micro import write_micro_clip
from cli.runner import ovseg
from fake_engine import FakeEngine
from PIL import Image

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.cli.evaluate import EvaluateOptions, evaluate_with
from ovseg_annotate.cli.sessions import SessionOptions
from ovseg_annotate.devices import Placement
from ovseg_annotate.errors import OptionError
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.session import Session

PLAIN = AnnotateOptions(contrast="none", refine=RefineOptions(method="none"))


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Three pictures, left red and right blue, with their maps and names."""
    folder = tmp_path / "colours"
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    labels = np.ones((32, 64), np.uint8)
    labels[:, 32:] = 2
    table = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)
    for number in range(3):
        Image.fromarray(table[labels]).save(folder / "images" / f"{number}.png")
        Image.fromarray(labels).save(folder / "labels" / f"{number}.png")
    (folder / "names.txt").write_text("red\nblue\n")
    return folder


def fake_session(options: SessionOptions) -> Session:
    return Session(
        FakeEngine(),
        Placement(torch.device("cpu"), torch.float32),
        FeatureStore(),
        model="fake@none",
    )


def told(options: EvaluateOptions, capsys: pytest.CaptureFixture[str]) -> str:
    evaluate_with(fake_session, options, SessionOptions(model="fake@none"), PLAIN)
    return capsys.readouterr().out


def test_a_folder_that_is_labelled_right_has_full_marks(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = json.loads(told(EvaluateOptions((f"folder:{colours}",), json=True), capsys))
    (only,) = answer["sets"]
    assert only["name"] == "colours"
    assert only["scores"]["pictures"] == 3
    assert only["scores"]["mean_iou"] == 1
    assert only["baseline"]["mean_iou"] == 1


def test_the_result_says_under_which_conditions_it_came_about(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = EvaluateOptions((f"folder:{colours}",), count=2, seed=5, json=True)
    conditions = json.loads(told(options, capsys))["conditions"]
    assert conditions["model"] == "fake@none"
    assert conditions["threshold"] == 0.0
    assert conditions["contrast"] == "none"
    assert conditions["weights"] == "0" * 64
    assert conditions["command"] == (
        f"ovseg evaluate --data folder:{colours} --count 2 --seed 5 --model fake@none "
        "--contrast none --refine-method none"
    )


def test_the_table_has_a_line_for_the_set_and_the_conditions_below(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(EvaluateOptions((f"folder:{colours}",)), capsys).splitlines()
    (line,) = [line for line in lines if line.startswith("colours")]
    assert line.split()[1:4] == ["3", "1.000", "1.000"]
    assert any("contrast: none" in line for line in lines)


def test_page_and_card_are_written_where_asked(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "fake.toml"
    recipe.write_text("[loop]\nseed = 12\n")
    options = EvaluateOptions(
        (f"folder:{colours}",), out=tmp_path / "p" / "page.html", card=tmp_path / "CARD.md",
        recipe=recipe, exhibits=2,
    )  # fmt: skip
    told(options, capsys)
    page = (tmp_path / "p" / "page.html").read_text()
    assert page.count("<article>") == 4
    assert "seed 12" in (tmp_path / "CARD.md").read_text()


def test_unknown_data_is_refused_before_a_model_is_loaded() -> None:
    def never(options: SessionOptions) -> Session:
        pytest.fail("the model was loaded")

    with pytest.raises(OptionError, match="scenes:easy"):
        evaluate_with(never, EvaluateOptions(("scenes:none",)), SessionOptions(), PLAIN)


def test_the_verb_runs_on_scenes_of_both_generators(tmp_path: Path) -> None:
    model = f"naclip@{write_micro_clip(tmp_path / 'micro')}"
    command = ("evaluate", "--data", "scenes:easy,second:easy", "--count", 1, "--model", model)
    answer = ovseg(*command, "--absent", 2, "--json").json
    assert [each["name"] for each in answer["sets"]] == [
        f"{which}, {pairs} pairs, 2 absent"
        for which in ("easy", "second-easy")
        for pairs in ("unseen", "seen")
    ]
    again = ovseg(*command, "--absent", 2, "--json").json
    assert again == answer
