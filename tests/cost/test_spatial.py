from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from cost.fixture_trunk import TINY, assert_near, seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ovseg_annotate.cost.spatial import Partition, Pieces, SpatialBlock, SpatialMixing

SIDES = st.integers(1, 9)


def block_of(*, shifted: bool) -> SpatialBlock:
    return seeded(lambda: SpatialBlock(TINY, shifted=shifted))


def group_of(place: int, length: int, largest: int, *, shifted: bool) -> tuple[int, bool]:
    """From the definition: the piece that a cell falls in, and whether it came round the border."""
    count = math.ceil(length / largest)
    side = math.ceil(length / count)
    shift = side // 2 if shifted and count > 1 else 0
    moved = (place - shift) % (count * side)
    return moved // side, place < shift


def plainly_attended(block: SpatialBlock, plane: Tensor, guide: Tensor) -> Tensor:
    """One plane (rows, columns, width) by a table of who may look at whom."""
    rows, columns, width = plane.shape
    normed = block.norm1(plane).flatten(0, 1)
    both = torch.cat([normed, guide.flatten(0, 1)], dim=1)
    groups = [
        (
            group_of(row, rows, block.largest, shifted=block.shifted),
            group_of(column, columns, block.largest, shifted=block.shifted),
        )
        for row in range(rows)
        for column in range(columns)
    ]
    forbidden = torch.tensor([[one != other for other in groups] for one in groups])
    heads = []
    for head in range(block.heads):
        own = slice(head * width // block.heads, (head + 1) * width // block.heads)
        queries, keys = block.queries(both)[:, own], block.keys(both)[:, own]
        logits = queries @ keys.T / math.sqrt(queries.shape[1])
        weights = logits.masked_fill(forbidden, float("-inf")).softmax(dim=1)
        heads.append(weights @ block.values(normed)[:, own])
    plane = plane + block.merge(torch.cat(heads, dim=1)).view_as(plane)
    finished: Tensor = plane + block.rest(block.norm2(plane))
    return finished


@settings(max_examples=40)
@given(rows=SIDES, columns=SIDES, shifted=st.booleans())
def test_attention_in_windows_is_attention_with_a_table_of_neighbours(
    rows: int, columns: int, shifted: bool
) -> None:
    generator = torch.Generator().manual_seed(rows * 10 + columns)
    chunk = torch.randn(2, 3, rows, columns, TINY.hidden, generator=generator)
    guide = torch.randn(2, 1, rows, columns, TINY.visual_guide, generator=generator)
    block = block_of(shifted=shifted)
    with torch.no_grad():
        ours = block(chunk, guide)
        for window in range(2):
            for concept in range(3):
                plain = plainly_attended(block, chunk[window, concept], guide[window, 0])
                assert_near(ours[window, concept], plain)


@given(rows=st.integers(1, 30), columns=st.integers(1, 30), shifted=st.booleans())
def test_pieces_join_to_what_was_cut(rows: int, columns: int, shifted: bool) -> None:
    planes = torch.arange(2 * rows * columns * 4.0).view(2, rows, columns, 4)
    pieces = Pieces.of(rows, columns, 12, shifted=shifted)
    assert torch.equal(pieces.joined(pieces.cut(planes, heads=2)), planes)


@given(length=st.integers(1, 200), largest=st.integers(1, 20))
def test_pieces_are_the_fewest_and_no_larger_than_allowed(length: int, largest: int) -> None:
    part = Partition.of(length, largest, shifted=False)
    assert part.side <= largest
    assert (part.count - 1) * largest < length
    assert 0 <= part.padding < part.count


@pytest.mark.parametrize(
    ("length", "count", "side", "shift"), [(24, 2, 12, 6), (12, 1, 12, 0), (14, 2, 7, 3)]
)
def test_pieces_of_known_grids(length: int, count: int, side: int, shift: int) -> None:
    part = Partition.of(length, 12, shifted=True)
    assert (part.count, part.side, part.shift) == (count, side, shift)


def test_a_grid_of_whole_windows_needs_no_table() -> None:
    device = torch.device("cpu")
    assert Pieces.of(24, 12, 12, shifted=False).may_look(device) is None
    assert Pieces.of(12, 12, 12, shifted=True).may_look(device) is None
    assert Pieces.of(24, 12, 12, shifted=True).may_look(device) is not None


def test_a_change_reaches_past_its_window_through_the_shift() -> None:
    sizes = replace(TINY, window=12)
    mixing = seeded(lambda: SpatialMixing(sizes))
    generator = torch.Generator().manual_seed(0)
    chunk = torch.randn(1, 1, 24, 24, 8, generator=generator)
    guide = torch.randn(1, 24, 24, 6, generator=generator)
    other = chunk.clone()
    other[0, 0, 0, 0, 0] += 1
    with torch.no_grad():
        difference = (mixing(chunk, guide) - mixing(other, guide)).abs().amax(-1)[0, 0]
    assert difference[:12, :12].min() > 0  # its own window
    assert difference[12, 12] > 0  # through the shifted one
    assert difference[20:, 20:].max() == 0  # which does not wrap round the border
