"""A day of an annotator: suggestions pushed beforehand, then Chromium on the real Label Studio."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from end_to_end.label_studio.house import House, Project
from end_to_end.label_studio.pictures import SIZE, WORDS, microscopy
from end_to_end.label_studio.real_server import EMAIL, PASSWORD
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy import ndimage

ROOT = Path(__file__).parents[3]
DOCUMENTS = ROOT / "docs" / "images"
LARGEST_IMAGE = 200_000  # bytes of a picture in the documents

pytestmark = [pytest.mark.slow, pytest.mark.label_studio, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def shown(house: House) -> Project:
    """Polygons in every task, pushed by a command that was killed once."""
    config = house.run("config", "--prompts", WORDS)
    project = house.project("nuclei", config, microscopy((915, 914, 918, 909, 907, 900)))
    address = ["--project", str(project.number)]
    house.run("connect", *address, "--backend-url", house.proxy_url)
    killed = house.command("push", *address, "--at-once", "1")
    wanted = random.Random(0).randint(1, 4)  # noqa: S311
    pause = threading.Event()
    while len(project.predictions()) < wanted:
        assert killed.poll() is None, killed.communicate()[1]
        pause.wait(0.1)
    killed.kill()
    killed.communicate()
    version = house.run("push", *address).strip()
    assert version == project.backend()["model_version"]
    return project


def test_a_push_that_was_killed_loses_and_doubles_nothing(shown: Project) -> None:
    assert [each["task"] for each in shown.predictions()] == [task["id"] for task in shown.tasks()]


def test_status_tells_that_all_is_well(house: House, shown: Project) -> None:
    lines = house.run("status", "--project", str(shown.number))
    assert "missing on 0 tasks" in lines
    assert "connected" in lines
    assert "with a secret" in lines


def objects(mask: NDArray[np.bool_]) -> tuple[list[float], list[float]]:
    """The middle of the roundest piece and the box of the next one, as shares of the picture."""
    numbers, count = ndimage.label(mask)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    deepest = ndimage.maximum(depth, numbers, range(1, count + 1))
    areas = np.bincount(numbers.ravel())[1:]
    # Of a disk, all of it; of two that touch, half.
    first, second = np.argsort(np.square(deepest) / areas)[::-1][:2] + 1
    row, column = ndimage.maximum_position(depth, numbers, first)
    rows, columns = ndimage.find_objects(numbers)[second - 1]
    corners = (columns.start - 3, rows.start - 3, columns.stop + 3, rows.stop + 3)
    sides = (SIZE.width, SIZE.height) * 2
    box = [min(max(at / side, 0.0), 1.0) for at, side in zip(corners, sides, strict=True)]
    return [(column + 0.5) / SIZE.width, (row + 0.5) / SIZE.height], box


@pytest.fixture(scope="module")
def seen(house: House, shown: Project, studio_python: Path, screenshots: Path) -> dict[str, Any]:
    """What the annotator saw."""
    tasks = shown.tasks()
    point, box = objects(shown.picture_of(tasks[1]).truth["nucleus"])
    job = {
        "server": house.studio.url,
        "email": EMAIL,
        "password": PASSWORD,
        "project": shown.number,
        "tasks": [task["id"] for task in tasks[:2]],
        "phrase": "round nuclei",
        "label": "nucleus",
        "point": point,
        "box": box,
        "shots": str(screenshots),
    }
    question, answer = house.folder / "job.json", house.folder / "seen.json"
    question.write_text(json.dumps(job))
    script = Path(__file__).with_name("browser.py")
    done = subprocess.run(
        [str(studio_python), str(script), str(question), str(answer)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(answer.read_text()))


def test_the_page_shows_the_picture_with_its_suggestions(
    seen: dict[str, Any], shown: Project, screenshots: Path
) -> None:  # [32]
    assert 0 < seen["listed"] <= len(shown.predictions()[0]["result"])
    assert (screenshots / "label-studio-suggestions.png").stat().st_size > 10_000


def test_typed_words_are_answered_in_the_browser(seen: dict[str, Any]) -> None:  # [33]
    assert seen["typed_status"] == 200
    assert seen["typed_regions"] > 0


def test_what_was_submitted_has_regions(seen: dict[str, Any]) -> None:  # [34]
    assert seen["submitted_status"] == 201
    assert any(region["type"] == "polygonlabels" for region in seen["submitted"])


def test_accepted_suggestions_come_on_top_of_those_that_were_there(
    seen: dict[str, Any], shown: Project
) -> None:  # [35]
    polygons = [region for region in seen["submitted"] if region["type"] == "polygonlabels"]
    there = shown.predictions()[0]["result"]
    assert len(polygons) == len(there) + seen["typed_regions"]


@pytest.mark.parametrize("how", ["clicked", "dragged"])
def test_a_smart_tool_gives_one_object(seen: dict[str, Any], how: str) -> None:
    (region,) = seen[how]
    assert region["type"] == "polygonlabels"
    assert region["value"]["polygonlabels"] == ["nucleus"]


def test_the_documents_show_what_the_browser_shows(seen: dict[str, Any], screenshots: Path) -> None:
    """Set OVSEG_WRITE_DOCS=1 to take new pictures for the documents."""
    for shot in sorted(screenshots.glob("label-studio-*.png")):
        document = DOCUMENTS / shot.name
        if os.environ.get("OVSEG_WRITE_DOCS"):
            DOCUMENTS.mkdir(exist_ok=True)
            with Pillow.open(shot) as picture:
                small = picture.convert("RGB").resize((1020, 675), Pillow.Resampling.LANCZOS)
            # Few colours, but the bright ones of the outlines among them.
            few = small.quantize(200, method=Pillow.Quantize.FASTOCTREE, dither=Pillow.Dither.NONE)
            few.save(document, optimize=True)
        assert document.stat().st_size < LARGEST_IMAGE
