"""What holds for every transformer tower, whatever library it comes from."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from backbones.tiny_towers import NATIVE, SHARED, STRIDE, TRANSFORMERS, TinyTower, images
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ovseg_annotate.backbones.tower import AttentionBlock, VisionTower
from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size

TALL = (3 * STRIDE, 7 * STRIDE)
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


@pytest.fixture(params=TRANSFORMERS, scope="module")
def tower(request: pytest.FixtureRequest) -> TinyTower:
    return TRANSFORMERS[request.param]()


@pytest.fixture(params=TRANSFORMERS)
def own_tower(request: pytest.FixtureRequest) -> TinyTower:
    return TRANSFORMERS[request.param]()


def through_the_pieces(blocks: Sequence[AttentionBlock], tokens: Tensor) -> Tensor:
    for block in blocks:
        queries, keys, values = block.heads(tokens, "qkv")
        attended = scaled_dot_product_attention(queries, keys, values)
        tokens = block.finish(tokens, block.merge(attended))
    return tokens


def dense(vision: VisionTower, batch: Tensor) -> Tensor:
    tokens, grid = vision.embed(batch)
    for block in vision.blocks_on(grid):
        tokens = block(tokens)
    return vision.project(tokens[:, vision.prefix :])


def test_the_opened_blocks_give_the_embedding_of_the_library(tower: TinyTower) -> None:
    batch = images(2, NATIVE, NATIVE)
    tokens, _ = tower.vision.embed(batch)
    pooled = tower.pool(through_the_pieces(tower.vision.blocks, tokens))
    torch.testing.assert_close(pooled, tower.visual(batch), **CLOSE)


def test_an_opened_block_equals_the_whole_block_on_an_oblong_window(tower: TinyTower) -> None:
    tokens, grid = tower.vision.embed(images(2, *TALL))
    for block in tower.vision.blocks_on(grid):
        torch.testing.assert_close(through_the_pieces([block], tokens), block(tokens), **CLOSE)
        tokens = block(tokens)


@pytest.mark.parametrize("parts", ["q", "k", "v", "kv", "qv", "vk"])
def test_parts_asked_for_alone_equal_parts_asked_for_together(tower: TinyTower, parts: str) -> None:
    tokens, grid = tower.vision.embed(images(2, *TALL))
    block = tower.vision.blocks_on(grid)[-1]
    together = dict(zip("qkv", block.heads(tokens, "qkv"), strict=True))
    for name, part in zip(parts, block.heads(tokens, parts), strict=True):
        torch.testing.assert_close(part, together[name], **CLOSE)


@pytest.mark.parametrize("size", [(NATIVE, NATIVE), TALL, (STRIDE, STRIDE), (9 * STRIDE, STRIDE)])
def test_a_batch_equals_its_windows_one_by_one(tower: TinyTower, size: tuple[int, int]) -> None:
    batch = images(3, *size)
    alone = torch.cat([dense(tower.vision, window[None]) for window in batch])
    together = dense(tower.vision, batch)
    assert together.shape[:2] == (3, size[0] * size[1] // STRIDE**2)
    torch.testing.assert_close(together, alone, **CLOSE)


def test_cells_come_row_by_row(tower: TinyTower) -> None:
    dark = torch.zeros(1, 3, *TALL)
    lit = dark.clone()
    lit[:, :, STRIDE : 2 * STRIDE, 5 * STRIDE : 6 * STRIDE] = 1.0  # row 1, column 5
    before, grid = tower.vision.embed(dark)
    after, _ = tower.vision.embed(lit)
    changed = (after - before).abs().amax(dim=(0, 2)).nonzero().flatten().tolist()
    assert grid == Size(3, 7)
    assert changed == [tower.vision.prefix + 1 * grid.width + 5]


@pytest.mark.parametrize(
    "size", [(NATIVE + 1, NATIVE), (NATIVE, NATIVE - 1), (0, NATIVE), (STRIDE, STRIDE // 2)]
)
def test_a_window_that_would_lose_its_border_is_refused(
    tower: TinyTower, size: tuple[int, int]
) -> None:
    with pytest.raises(ModelError, match=f"multiples of {STRIDE} px"):
        tower.vision.embed(torch.zeros(1, 3, *size))


def test_a_window_with_as_many_cells_but_another_shape_has_its_own_positions(
    tower: TinyTower,
) -> None:
    rows, columns = NATIVE // STRIDE // 2, NATIVE // STRIDE * 2
    square, _ = tower.vision.embed(torch.zeros(1, 3, NATIVE, NATIVE))
    oblong, _ = tower.vision.embed(torch.zeros(1, 3, rows * STRIDE, columns * STRIDE))
    assert oblong.shape == square.shape
    assert not torch.allclose(oblong, square, atol=1e-3)


def test_half_precision_stays_near_single_precision(own_tower: TinyTower) -> None:
    batch = images(1, *TALL)
    exact = dense(own_tower.vision, batch)
    own_tower.visual.to(torch.bfloat16)
    rounded = dense(own_tower.vision, batch.to(torch.bfloat16))
    assert rounded.dtype == torch.bfloat16
    likeness = torch.cosine_similarity(rounded.float(), exact, dim=-1)
    assert likeness.min() > 0.98


def test_positions_learn_on_any_grid(own_tower: TinyTower) -> None:
    dense(own_tower.vision, images(1, *TALL))  # fills the table that training must not use
    own_tower.visual.requires_grad_(requires_grad=True)
    dense(own_tower.vision, images(1, *TALL)).square().sum().backward()
    positions = [
        parameter.grad
        for name, parameter in own_tower.visual.named_parameters()
        if name.endswith(("positional_embedding", "pos_embed"))
    ]
    assert len(positions) == 1
    assert positions[0] is not None
    assert positions[0].abs().sum() > 0


def test_every_cell_is_projected_into_the_shared_space(tower: TinyTower) -> None:
    width = tower.visual(images(1, NATIVE, NATIVE)).shape[-1]
    assert dense(tower.vision, images(1, *TALL)).shape == (1, 21, width)
    assert width in (SHARED, 2 * SHARED)  # attention pooling keeps the width of the tower
