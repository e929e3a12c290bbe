from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg_annotate.geometry import Size
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.tiling import Stitcher, plan_windows, working_size
from ovseg_annotate.vocabulary import Vocabulary

cells = st.integers(1, 40)
VOCABULARY = Vocabulary.parse("a; b")


@given(cells, cells, st.integers(1, 12), st.floats(0, 0.9))
def test_windows_cover_every_cell_and_stay_inside(
    rows: int, columns: int, window: int, overlap: float
) -> None:
    plan = plan_windows(Size(rows * 8, columns * 8), Size(window * 8, window * 8), overlap, 8)
    seen = torch.zeros(rows * 8, columns * 8, dtype=torch.bool)
    for part in plan.windows:
        assert part.top >= 0
        assert part.left >= 0
        assert part.bottom <= rows * 8
        assert part.right <= columns * 8
        assert part.top % 8 == part.left % 8 == 0
        assert part.size == plan.windows[0].size
        seen[part.slices] = True
    assert bool(seen.all())
    assert len(set(plan.windows)) == len(plan.windows)


@settings(max_examples=30, deadline=None)
@given(cells, cells, st.integers(1, 12), st.floats(0, 0.9))
def test_blending_equal_answers_gives_that_answer(
    rows: int, columns: int, window: int, overlap: float
) -> None:
    plan = plan_windows(Size(rows * 8, columns * 8), Size(window * 8, window * 8), overlap, 8)
    truth = torch.rand(2, rows, columns, generator=torch.Generator().manual_seed(rows))
    stitcher = Stitcher(plan, 2, torch.device("cpu"))
    for number, part in enumerate(plan.windows):
        values = truth[:, part.top // 8 : part.bottom // 8, part.left // 8 : part.right // 8]
        stitcher.add(ClassScores(values[None], True, VOCABULARY), number)
    torch.testing.assert_close(stitcher.result(), truth)


@given(st.integers(100, 5000), st.integers(100, 5000), st.floats(0.1, 4))
def test_the_working_size_is_whole_cells_near_the_wanted_size(
    height: int, width: int, factor: float
) -> None:
    size = working_size(Size(height, width), factor, Size(8, 8), 8)
    assert size.height % 8 == size.width % 8 == 0
    assert size.height >= 8
    assert abs(size.height - height * factor) <= 4
    assert abs(size.width - width * factor) <= 4


def test_a_small_picture_is_enlarged_to_the_window_but_not_beyond_four_times() -> None:
    assert working_size(Size(48, 200), 1.0, Size(96, 96), 8) == Size(96, 400)
    assert working_size(Size(4, 4), 1.0, Size(96, 96), 8) == Size(16, 16)
    assert working_size(Size(1, 1), 1.0, Size(96, 96), 8) == Size(8, 8)


def test_a_picture_smaller_than_the_window_is_one_window() -> None:
    plan = plan_windows(Size(64, 80), Size(96, 96), 0.5, 8)
    assert [window.size for window in plan.windows] == [Size(64, 80)]


def test_neighbouring_windows_overlap_by_half() -> None:
    plan = plan_windows(Size(96, 384), Size(96, 96), 0.5, 8)
    assert [window.left for window in plan.windows] == [0, 48, 96, 144, 192, 240, 288]
