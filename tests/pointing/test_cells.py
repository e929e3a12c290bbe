from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ovseg_annotate.errors import MemoryLimitError
from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.pointing.cells import CellVectors, Grid, cover, covered_cells
from ovseg_annotate.pointing.gathering import Gatherer
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, PointMark
from ovseg_annotate.tiling import plan_windows

sides = st.integers(2, 30)


def whole_grid(picture: Size, cells: Size) -> Grid:
    return Grid(picture, cells, Window(0, 0, cells.height, cells.width))


@given(sides, sides, sides, sides, st.integers(0, 2**32 - 1))
def test_the_cover_of_an_area_adds_up_to_the_area(
    height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.4
    mask[0, 0] = True
    picture = Size(height, width)
    shares = cover(AreaMark("cell", mask), whole_grid(picture, Size(rows, columns)))
    assert_allclose(shares.sum() * picture.area / (rows * columns), mask.sum())
    assert shares.min() >= 0
    assert shares.max() <= 1 + 1e-9


@given(st.integers(0, 19), st.integers(1, 20), st.integers(0, 14), st.integers(1, 15))
def test_a_box_covers_what_the_same_area_covers(
    left: int, width: int, top: int, height: int
) -> None:
    right, bottom = min(left + width, 20), min(top + height, 15)
    mask = np.zeros((15, 20), bool)
    mask[top:bottom, left:right] = True
    grid = whole_grid(Size(15, 20), Size(4, 6))
    box = BoxMark("cell", left, top, right, bottom)
    assert_allclose(cover(box, grid), cover(AreaMark("cell", mask), grid), atol=1e-9)


@given(st.floats(0, 20), st.floats(0, 15))
def test_a_point_covers_one_cell_in_all(x: float, y: float) -> None:
    shares = cover(PointMark("cell", x, y), whole_grid(Size(15, 20), Size(4, 6)))
    assert_allclose(shares.sum(), 1, rtol=1e-5)
    assert np.count_nonzero(shares) <= 4


def test_at_the_centre_of_a_cell_its_own_vector_stands() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    vectors = CellVectors(values, Grid(Size(30, 80), Size(6, 8), Window(2, 3, 3, 4)))
    x, y = (np.arange(4) + 3.5) * 10, (np.arange(3) + 2.5) * 5
    found = vectors.at(np.tile(x, 3), np.repeat(y, 4))
    assert_allclose(found, values.reshape(12, 5), rtol=1e-5)


def test_between_two_cells_their_mean_stands_and_beyond_the_last_its_own() -> None:
    values = np.array([[[0.0], [1.0]]], np.float32)
    vectors = CellVectors(values, whole_grid(Size(10, 20), Size(1, 2)))
    found = vectors.at(np.array([10.0, 0.0, 20.0]), np.array([5.0, 5.0, 5.0]))
    assert_allclose(found[:, 0], [0.5, 0.0, 1.0], atol=1e-6)


@given(st.floats(-50, 150), st.floats(-50, 150), st.floats(0.1, 99), st.floats(0.1, 99))
def test_the_cells_of_any_rectangle_lie_on_the_grid(
    left: float, top: float, width: float, height: float
) -> None:
    whole = Size(7, 9)
    part = covered_cells((left, top, left + width, top + height), Size(100, 100), whole)
    assert part.height >= 1
    assert part.width >= 1
    assert part.top >= 0
    assert part.left >= 0
    assert part.bottom <= whole.height
    assert part.right <= whole.width


@given(
    st.integers(0, 9), st.integers(0, 11), st.integers(1, 10), st.integers(1, 12), st.integers(0, 9)
)
def test_a_part_is_gathered_as_it_is_in_the_whole(
    top: int, left: int, height: int, width: int, seed: int
) -> None:
    plan = plan_windows(Size(40, 48), Size(16, 16), 0.5, 4)
    part = Window(top, left, min(height, 10 - top), min(width, 12 - left))
    torch.manual_seed(seed)
    seen = torch.nn.functional.normalize(torch.randn(len(plan.windows), 4, 4, 3), dim=-1)
    picture = Size(80, 96)
    whole = Gatherer(plan, Window(0, 0, 10, 12))
    some = Gatherer(plan, part)
    assert whole.windows == tuple(range(len(plan.windows)))
    for number in whole.windows:
        whole.add(seen[number], number)
    for number in some.windows:
        some.add(seen[number], number)
    assert_allclose(
        some.result(picture).values, whole.result(picture).values[part.slices], atol=1e-6
    )


def test_marks_all_over_a_huge_picture_are_refused_before_memory_is_taken() -> None:
    plan = plan_windows(Size(80_000, 80_000), Size(80_000, 80_000), 0.5, 8)
    gatherer = Gatherer(plan, Window(0, 0, 10_000, 10_000))
    with pytest.raises(MemoryLimitError, match=r"10000 x 10000 cells need 190\.7 GiB"):
        gatherer.add(torch.empty(1, 1, 512), 0)
