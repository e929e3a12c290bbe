"""Our Label Studio files before the judge: the official SDK, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from second_environment import second_python

from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.formats.label_studio_results import LabelStudioOptions
from ovseg_annotate.options import read_options
from ovseg_annotate.regions import AnnotatedImage

ROOT = Path(__file__).parents[2]
ORACLE = Path(__file__).with_name("sdk_oracle.py")

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def sdk_python() -> str:
    return str(second_python())


def ask(sdk_python: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sdk_python, str(ORACLE), *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_brush_code_is_that_of_the_sdk_byte_for_byte(sdk_python: str) -> None:
    assert ask(sdk_python, "codec") == {
        "masks": 69,
        "different_bytes": 0,
        "different_pixels": 0,
    }


def config(tag: str, names: tuple[str, ...]) -> str:
    labels = "".join(f'<Label value="{name}"/>' for name in names)
    return (
        f'<View><Image name="image" value="$image"/><{tag} name="label" toName="image">'
        f"{labels}</{tag}></View>"
    )


TAGS = {"polygon": "PolygonLabels", "brush": "BrushLabels", "bitmask": "BitmaskLabels"}


@pytest.fixture(scope="module")
def objections(
    sdk_python: str, tmp_path_factory: pytest.TempPathFactory, image_of_labels: Any
) -> dict[tuple[str, bool], list[str]]:
    """What the SDK says to each kind of shape, in a project that knows all labels or one less."""
    labels = np.zeros((30, 40), int)
    labels[2:20, 3:30] = 1
    labels[5:9, 8:15] = 2  # a hole in the first
    labels[22:24, 5:9] = labels[20:22, 9:12] = 4
    image: AnnotatedImage = image_of_labels(labels)
    folder = tmp_path_factory.mktemp("sdk")
    projects, keys = [], []
    for shapes, tag in TAGS.items():
        options = read_options(LabelStudioOptions, {"shapes": shapes})
        (path,) = format_named("label-studio").write([image], folder, options)
        for complete in (True, False):
            names = [name for name in image.vocabulary.names if complete or name != "sky"]
            tasks = json.loads(path.read_text())
            projects.append({"config": config(tag, tuple(names)), "tasks": tasks})
            keys.append((shapes, complete))
    question = folder / "projects.json"
    question.write_text(json.dumps(projects))
    return dict(zip(keys, ask(sdk_python, "validate", str(question)), strict=True))


@pytest.mark.parametrize("shapes", TAGS)
def test_predictions_are_valid(objections: dict[tuple[str, bool], list[str]], shapes: str) -> None:
    assert objections[shapes, True] == []


@pytest.mark.parametrize("shapes", TAGS)
def test_a_label_that_the_project_lacks_is_noticed(
    objections: dict[tuple[str, bool], list[str]], shapes: str
) -> None:
    """Otherwise the test above could not fail."""
    assert len(objections[shapes, False]) == 2
