"""Everything that is suggested, before the judge: the official SDK in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from second_environment import second_python
from suggesting import (
    EVERY_CONTROL,
    PLAIN,
    Backend,
    batch,
    config,
    control,
    interactive,
    png_of,
    typed,
)

from labelstudio_backend.suggest_options import with_extra_params
from labelstudio_backend.wire import Prediction

ROOT = Path(__file__).parents[2]
ORACLE = ROOT / "tests" / "formats" / "sdk_oracle.py"

pytestmark = pytest.mark.sdk

LABELS = ("red", '<Label value="sky" alias="b" prompt="blue"/>')
CONFIGS = {
    "every control": EVERY_CONTROL,
    "aliases": config(*(control(f"{tag}Labels", tag, *LABELS) for tag in ("Polygon", "Brush"))),
    "bitmask": config(control("BitmaskLabels", "bits", *LABELS)),
    "choices": config(
        control("PolygonLabels", "poly", "red"),
        '<Choices name="c" toName="image" choice="multiple">'
        '<Choice value="red"/><Choice value="lake" alias="l" prompt="blue"/></Choices>',
    ),
    "markup in names": config(
        control("PolygonLabels", "poly", '<Label value="&lt;r&amp;d&gt;" prompt="red"/>')
    ),
}


def speckled() -> bytes:
    """Fields with borders on the picture's edge, holes and single pixels."""
    chance = np.random.default_rng(4)
    pixels = np.full((130, 170, 3), 128, np.uint8)
    pixels[:70, :90] = (255, 0, 0)
    pixels[60:, 80:] = (0, 0, 255)
    pixels[20:40, 20:40] = 128
    noise = np.kron(chance.random((13, 17)) < 0.2, np.ones((10, 10), bool))
    pixels[noise] = (255, 0, 0)
    return png_of(pixels)


@pytest.fixture(scope="module")
def sdk_python() -> str:
    return str(second_python())


@pytest.fixture(scope="module")
def predictions() -> dict[str, list[Prediction]]:
    """What the backend says to every config, in batches and to a person."""
    found: dict[str, list[Prediction]] = {}
    for holes in ("keyhole", "brush", "fill"):
        options = with_extra_params(PLAIN, {"holes": holes, "minimum_hole": 0}).options
        backend = Backend(options=options)
        backend.files["speckled"] = speckled()
        for name, text in CONFIGS.items():
            answers = list(backend.predict(batch(text, "a", "ring", "speckled")))
            answers += backend.predict(interactive(text, "speckled", typed("red")))
            found.setdefault(name, []).extend(answers)
    return found


@pytest.fixture(scope="module")
def objections(
    sdk_python: str,
    predictions: dict[str, list[Prediction]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[str]]:
    projects = [
        {
            "config": CONFIGS[name],
            "tasks": [{"predictions": [each.to_json() for each in answers]}],
        }
        for name, answers in predictions.items()
    ]
    wrong = json.loads(json.dumps(projects[0]).replace('"red"', '"pink"'))
    projects.append(wrong | {"config": EVERY_CONTROL})
    question = tmp_path_factory.mktemp("sdk") / "projects.json"
    question.write_text(json.dumps(projects))
    done = subprocess.run(
        [sdk_python, str(ORACLE), "validate", str(question)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return dict(zip((*CONFIGS, "wrong"), answers, strict=True))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_sdk_finds_nothing_wrong(
    name: str, objections: dict[str, list[str]], predictions: dict[str, list[Prediction]]
) -> None:
    assert objections[name] == []
    assert all(prediction.result for prediction in predictions[name])


def test_the_sdk_would_notice_a_label_that_the_project_lacks(
    objections: dict[str, list[str]],
) -> None:
    """Otherwise the test above could not fail."""
    assert objections["wrong"]
