"""A long run, and a server that answers for a long time.

What must hold: after a while to warm up in, memory grows by at most 5 %, and open files and
threads not at all.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from effort import Effort
from PIL import Image as PillowImage
from soak.growth import check_flat, told
from soak.kills import PATIENCE, started

HERE = Path(__file__).parent


def output_of(*arguments: object) -> str:
    with started(arguments, stdout=subprocess.PIPE) as process:
        said, problems = process.communicate(timeout=3 * PATIENCE)
        assert process.returncode == 0, problems
        return said


@pytest.mark.timeout(900)
def test_annotating_many_pictures_holds_no_more_than_a_few(tmp_path: Path, effort: Effort) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    chance = np.random.default_rng(effort.seed)
    for number in range(effort.rounds(short=100, long=1000)):
        shape = (int(chance.integers(20, 90)), int(chance.integers(20, 90)), 3)
        pixels = np.zeros(shape, np.uint8)
        pixels[: shape[0] // 2, : number % 19] = (255, 0, 0)
        pixels[shape[0] // 2 :] = chance.integers(0, 256, 3, np.uint8)
        PillowImage.fromarray(pixels).save(photos / f"{number:04}.png")
    check_flat(told(output_of(HERE / "annotate_many_driver.py", photos, tmp_path)))


@pytest.mark.timeout(900)
def test_a_backend_that_answers_for_long_holds_no_more_than_at_first(effort: Effort) -> None:
    requests = effort.rounds(short=240, long=2400)
    check_flat(told(output_of(HERE / "serve_many_driver.py", requests)))
