from __future__ import annotations

import pytest
import torch
from backbones.tiny_towers import NATIVE, STRIDE, eva02, images

from ovseg_annotate.backbones.eva import Rotation
from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size

NATIVE_CELLS = NATIVE // STRIDE


def test_the_positions_of_the_native_grid_are_the_ones_of_the_library() -> None:
    tower = eva02()
    made = tower.vision._rotations(Size(4, 4), torch.float32, torch.device("cpu"))
    torch.testing.assert_close(made, tower.visual.trunk.rope.get_embed())


def test_a_window_of_as_many_cells_but_another_shape_turns_differently() -> None:
    tower = eva02()
    tokens, _ = tower.vision.embed(images(1, NATIVE, NATIVE))
    square = tower.vision.blocks_on(Size(NATIVE_CELLS, NATIVE_CELLS))[0]
    oblong = tower.vision.blocks_on(Size(NATIVE_CELLS // 2, NATIVE_CELLS * 2))[0]
    for part in "qk":
        assert not torch.allclose(square.heads(tokens, part)[0], oblong.heads(tokens, part)[0])
    assert torch.equal(square.heads(tokens, "v")[0], oblong.heads(tokens, "v")[0])


def test_tokens_of_another_grid_are_refused() -> None:
    tower = eva02()
    tokens, _ = tower.vision.embed(images(1, NATIVE, 2 * NATIVE))
    with pytest.raises(ModelError, match="ask the tower for its blocks on the grid"):
        tower.vision.blocks[0](tokens)
    with pytest.raises(ModelError, match="expected tokens of a 4 x 4 grid, got 33"):
        tower.vision.blocks[0].heads(tokens, "k")


def test_cells_without_the_class_token_turn_as_they_do_beside_it() -> None:
    tower = eva02()
    tokens, grid = tower.vision.embed(images(1, 3 * STRIDE, NATIVE))
    block = tower.vision.blocks_on(grid)[0]
    (beside,) = block.heads(tokens, "k")
    (alone,) = block.heads(tokens[:, 1:], "k")
    torch.testing.assert_close(alone, beside[:, :, 1:])


def test_turning_keeps_lengths_and_the_class_token() -> None:
    tower = eva02()
    grid = Size(3, 5)
    table = tower.vision._rotations(grid, torch.float32, torch.device("cpu"))
    heads = torch.randn(2, 3, 1 + grid.area, 16)
    turned = Rotation(grid, table).turned(heads)
    assert torch.equal(turned[:, :, :1], heads[:, :, :1])
    torch.testing.assert_close(turned.norm(dim=-1), heads.norm(dim=-1))
