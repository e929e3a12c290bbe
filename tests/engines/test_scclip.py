from __future__ import annotations

import pytest
import torch
from engines.fixture_tower import assert_as_published, fixture_tower, tensors_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ovseg_annotate.engines.scclip import (
    Calibration,
    Depths,
    odd_cells,
    outlier_scores,
    scclip_tokens,
    without_odd_cells,
)
from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size

NAME = "scclip"
DEPTHS = Depths.of(4)


def cells_before_the_last_block(images: Tensor) -> Tensor:
    tower = fixture_tower()
    tokens, _ = tower.embed(images)
    for block in tower.blocks[:-1]:
        tokens = block(tokens)
    return tokens[:, 1:]


@pytest.mark.parametrize("case", ["a", "b"])
def test_tokens_are_those_of_the_published_code(case: str) -> None:
    images = tensors_of(NAME)[f"in.image_{case}"]
    tokens, _ = scclip_tokens(fixture_tower(), images, DEPTHS, Calibration())
    assert_as_published(tokens, NAME, f"out.scclip_{case}")


@pytest.mark.parametrize("case", ["a", "b"])
def test_the_same_cells_are_odd_as_in_the_published_code(case: str) -> None:
    cells = cells_before_the_last_block(tensors_of(NAME)[f"in.image_{case}"])
    scores = outlier_scores(cells, neighbours=30)
    assert_as_published(scores[0], NAME, f"diag.lof_score_{case}")
    found = odd_cells(cells, Calibration())[0].nonzero().flatten()
    assert found.tolist() == tensors_of(NAME)[f"diag.outlier_index_{case}"].tolist()


def test_depths_of_twelve_blocks_are_the_published_ones() -> None:
    assert Depths.of(12) == Depths(likeness=8, smoothing=3, first=3, last=9)


def test_depths_grow_with_the_tower() -> None:
    assert Depths.of(24) == Depths(likeness=17, smoothing=7, first=7, last=19)
    assert Depths.of(4) == Depths(likeness=2, smoothing=0, first=0, last=2)


@settings(deadline=None, max_examples=50)
@given(blocks=st.integers(2, 60))
def test_depths_lie_before_the_last_block(blocks: int) -> None:
    depths = Depths.of(blocks)
    assert 0 <= depths.first <= depths.last <= blocks - 2
    assert 0 <= depths.smoothing <= depths.likeness <= blocks - 2


def test_a_tower_of_one_block_is_refused() -> None:
    with pytest.raises(ModelError, match="2 blocks or more"):
        Depths.of(1)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 3), (4, 2), (5, 6), (4, 8), (9, 5)])
def test_a_batch_equals_one_by_one_on_any_grid(rows: int, columns: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    images = torch.randn((2, 3, rows * 16, columns * 16), generator=generator)
    images[1] *= 0.1  # another mean likeness than its neighbour in the batch
    tower = fixture_tower()
    together, grid = scclip_tokens(tower, images, DEPTHS, Calibration())
    assert grid == Size(rows, columns)
    assert bool(together.isfinite().all())
    alone = [scclip_tokens(tower, one[None], DEPTHS, Calibration())[0] for one in images]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-3)


def test_a_uniform_picture_gives_numbers() -> None:
    tokens, _ = scclip_tokens(
        fixture_tower(), torch.full((2, 3, 96, 128), 0.3), DEPTHS, Calibration()
    )
    assert bool(tokens.isfinite().all())


def test_equal_cells_are_never_odd() -> None:
    assert not odd_cells(torch.ones(2, 40, 5), Calibration()).any()


def test_an_odd_cell_becomes_the_mean_of_its_sound_neighbours() -> None:
    cells = torch.arange(12.0).reshape(1, 12, 1)  # 3 rows, 4 columns
    odd = torch.zeros(1, 12, dtype=torch.bool)
    odd[0, [0, 1]] = True
    repaired = without_odd_cells(cells, odd, Size(3, 4))[0, :, 0]
    assert repaired[0] == (4 + 5) / 2  # its right neighbour is odd too
    assert repaired[1] == (2 + 4 + 5 + 6) / 4
    assert torch.equal(repaired[2:], torch.arange(2.0, 12.0))


def test_an_odd_cell_among_odd_cells_stays_as_it_is() -> None:
    cells = torch.randn((1, 6, 3), generator=torch.Generator().manual_seed(0))
    everything = torch.ones(1, 6, dtype=torch.bool)
    assert torch.equal(without_odd_cells(cells, everything, Size(2, 3)), cells)
