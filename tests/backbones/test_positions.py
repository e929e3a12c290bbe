from __future__ import annotations

import torch
from backbones.tiny_towers import NATIVE, STRIDE, images, plain
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.backbones.positions import PerGrid, PositionTable, resized_positions
from ovseg_annotate.geometry import Size

SQUARE = Size(14, 14)


def ramp(native: Size, prefix: int) -> torch.Tensor:
    """A table whose cells hold their row and column."""
    rows, columns = torch.meshgrid(
        torch.arange(native.height), torch.arange(native.width), indexing="ij"
    )
    cells = torch.stack([rows.flatten(), columns.flatten()], dim=1).float()
    return torch.cat([torch.full((prefix, 2), -7.0), cells])


def test_a_7_by_28_grid_does_not_take_the_table_of_14_by_14() -> None:
    table = ramp(SQUARE, prefix=1)
    oblong = resized_positions(table, SQUARE, Size(7, 28), 1, "size")
    assert oblong.shape == table.shape
    cells = oblong[1:].reshape(7, 28, 2)
    # Rows run over the same range in half the steps, columns in twice as many.
    torch.testing.assert_close(cells[3, 5, 0] - cells[2, 5, 0], torch.tensor(2.0), atol=0.1, rtol=0)
    torch.testing.assert_close(cells[3, 6, 1] - cells[3, 5, 1], torch.tensor(0.5), atol=0.1, rtol=0)


@given(height=st.integers(1, 40), width=st.integers(1, 40), prefix=st.integers(0, 1))
def test_the_class_token_keeps_its_place_on_every_grid(
    height: int, width: int, prefix: int
) -> None:
    table = ramp(Size(5, 4), prefix)
    for rule in ("size", "published"):
        resized = resized_positions(table, Size(5, 4), Size(height, width), prefix, rule)
        assert resized.shape == (prefix + height * width, 2)
        assert torch.equal(resized[:prefix], table[:prefix])


def test_the_two_rules_give_different_tables() -> None:
    table = ramp(SQUARE, prefix=0)
    plain_rule = resized_positions(table, SQUARE, Size(21, 28), 0, "size")
    published = resized_positions(table, SQUARE, Size(21, 28), 0, "published")
    assert 1e-3 < (plain_rule - published).abs().max() < 0.5


def test_the_native_grid_gets_the_table_itself() -> None:
    table = ramp(SQUARE, prefix=1)
    assert resized_positions(table, SQUARE, SQUARE, 1, "published") is table


def test_a_resized_table_is_made_once() -> None:
    table = ramp(SQUARE, prefix=1)
    positions = PositionTable(lambda: table, SQUARE, 1, "size")
    assert positions.on(Size(3, 9), torch.float32) is positions.on(Size(3, 9), torch.float32)


def test_new_weights_never_meet_the_old_table() -> None:
    tower = plain()
    window = images(1, 3 * STRIDE, NATIVE)
    before, _ = tower.vision.embed(window)
    tower.visual.positional_embedding.add_(1.0)
    tower.visual.positional_embedding.mul_(-3.0)
    after, _ = tower.vision.embed(window)
    assert not torch.allclose(before, after, atol=1e-2)


def test_only_the_last_grids_are_kept() -> None:
    asked: list[Size] = []

    def make(grid: Size, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        asked.append(grid)
        return torch.zeros(grid.area, dtype=dtype, device=device)

    kept = PerGrid(make)
    grids = [Size(1, width) for width in range(1, 101)]
    for grid in grids:
        kept(grid, torch.float32, torch.device("cpu"))
    kept(grids[-1], torch.float32, torch.device("cpu"))
    assert asked == grids
    kept(grids[0], torch.float32, torch.device("cpu"))
    assert asked == [*grids, grids[0]]
