from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ovseg_annotate.errors import RunError
from ovseg_annotate.training.curves import draw_curves
from ovseg_annotate.training.progress import Progress, append_to_log


def log_of(folder: Path, losses: list[float]) -> None:
    for step, loss in enumerate(losses, start=1):
        progress = Progress(step, len(losses), loss, {"part": loss / 2}, 1e-3, 1.0, 2.0, 0.0)
        append_to_log(folder, progress)


def dark_pixels(path: Path) -> np.ndarray:
    """Where the curve of the whole loss is: inside the frame, in the colour of ink."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    ys, xs = (pixels[20:500, 62:780].max(axis=2) < 60).nonzero()
    return np.stack([ys, xs])


def test_a_falling_loss_is_drawn_as_a_falling_line(tmp_path: Path) -> None:
    log_of(tmp_path, [10.0 / step for step in range(1, 60)])
    ys, xs = dark_pixels(draw_curves(tmp_path))
    assert ys[xs < 60].mean() + 100 < ys[xs > 650].mean()


def test_a_constant_loss_and_a_single_record_can_be_drawn(tmp_path: Path) -> None:
    log_of(tmp_path, [1.0])
    assert draw_curves(tmp_path).stat().st_size > 0


def test_a_run_without_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no log"):
        draw_curves(tmp_path)


def test_scores_are_drawn_below_the_losses(tmp_path: Path) -> None:
    for step in range(1, 61):
        scored_at = step // 10 * 10 or None
        score = None if scored_at is None else 0.2 + scored_at / 100
        append_to_log(
            tmp_path,
            Progress(step, 60, 1.0, {"part": 0.5}, 1e-3, 1.0, 2.0, 0.0, score, scored_at),
        )
    ys, xs = dark_pixels(draw_curves(tmp_path))
    below = ys > 330
    assert ys[~below].max() < 200  # the loss stays at the top of its field
    assert ys[below & (xs < 200)].mean() > ys[below & (xs > 600)].mean() + 40


def test_a_score_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    append_to_log(
        tmp_path, Progress(1, 1, 1.0, {}, 1e-3, 1.0, 2.0, 0.0, score=float("nan"), scored_at=1)
    )
    assert draw_curves(tmp_path).stat().st_size > 0
