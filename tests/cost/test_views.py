from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ovseg_annotate.cost.views import SquashedViews
from ovseg_annotate.errors import OptionError


@st.composite
def plans(draw: st.DrawFn) -> SquashedViews:
    window = draw(st.integers(2, 12))
    return SquashedViews(
        working=draw(st.integers(window, 40)), window=window, stride=draw(st.integers(1, window))
    )


def logit(probability: Tensor) -> Tensor:
    return torch.logit(probability)


def test_the_published_plan_is_four_windows_and_the_whole() -> None:
    assert SquashedViews().of(torch.zeros(3, 100, 200)).shape == (5, 3, 384, 384)


@given(plan=plans())
def test_what_windows_saw_is_put_back_where_they_saw_it(plan: SquashedViews) -> None:
    picture = torch.rand(3, plan.working, plan.working) * 0.8 + 0.1
    views = plan.of(picture)
    views[-1] = 0.5
    merged = plan.merged(logit(views))
    torch.testing.assert_close(merged, (picture + 0.5) / 2, atol=1e-5, rtol=0)


@given(plan=plans())
def test_the_whole_counts_as_much_as_the_windows(plan: SquashedViews) -> None:
    views = plan.of(torch.zeros(3, 5, 9))
    views[:-1], views[-1] = 0.2, 0.6
    merged = plan.merged(logit(views))
    torch.testing.assert_close(merged, torch.full_like(merged, 0.4))


@pytest.mark.parametrize("sides", [(640, 384, 385), (300, 384, 256), (640, 384, 0)])
def test_windows_that_would_leave_gaps_are_refused(sides: tuple[int, int, int]) -> None:
    with pytest.raises(OptionError, match="0 < stride <= window <= working"):
        SquashedViews(*sides)
