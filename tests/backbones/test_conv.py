from __future__ import annotations

import pytest
import torch
from backbones.tiny_towers import SHARED, convnext, images

from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size


def test_a_window_of_one_cell_has_the_embedding_of_the_library() -> None:
    visual, vision = convnext()
    window = images(2, 32, 32)
    dense, grid = vision.dense(window)
    assert grid == Size(1, 1)
    torch.testing.assert_close(dense[:, 0], visual(window), atol=2e-5, rtol=1e-4)


def test_cells_come_row_by_row_and_batches_do_not_mix() -> None:
    _, vision = convnext()
    batch = images(2, 64, 96)
    dense, grid = vision.dense(batch)
    assert grid == Size(2, 3)
    assert dense.shape == (2, 6, SHARED)
    alone = torch.cat([vision.dense(window[None])[0] for window in batch])
    torch.testing.assert_close(dense, alone, atol=2e-5, rtol=1e-4)
    lit = torch.zeros(1, 3, 64, 320)
    lit[:, :, :, 288:] = 1.0
    change = (vision.dense(lit)[0] - vision.dense(torch.zeros_like(lit))[0]).abs().sum(dim=-1)
    rows = change.reshape(2, 10)
    assert (rows[:, :3] == 0).all()  # too far from the lit border on the right
    assert (rows[:, 9] > 0).all()


def test_a_window_that_would_lose_its_border_is_refused() -> None:
    _, vision = convnext()
    with pytest.raises(ModelError, match="multiples of 32 px"):
        vision.dense(images(1, 64, 80))
