from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.evaluation.reliability import reliability_plot
from ovseg_annotate.evaluation.scores import Bin

SURE = Bin(0.8, 0.9, 100, 0.85, 0.6)
UNSURE = Bin(0.2, 0.3, 25, 0.25, 0.5)


def bars(bins: tuple[Bin, ...], name: str) -> list[tuple[float, float]]:
    """Lower and upper end of each bar of a kind, as shares of the plot's side."""
    plot = ET.fromstring(reliability_plot(bins))  # noqa: S314  it is our own
    side = float(next(each.get("height") or 0 for each in plot if each.get("class") == "field"))
    found = [each for each in plot.iter("rect") if each.get("class") == name]
    tops = [float(each.get("y") or 0) for each in found]
    heights = [float(each.get("height") or 0) for each in found]
    return [
        (round(1 - (top + height) / side, 2), round(1 - top / side, 2))
        for top, height in zip(tops, heights, strict=True)
    ]


def test_who_is_too_sure_lacks_what_is_between_right_and_sure() -> None:
    assert bars((SURE,), "right") == [(0, 0.6)]
    assert bars((SURE,), "over") == [(0.6, 0.85)]
    assert bars((SURE,), "under") == []


def test_who_is_not_sure_enough_has_it_above() -> None:
    assert bars((UNSURE,), "right") == [(0, 0.25)]
    assert bars((UNSURE,), "under") == [(0.25, 0.5)]


def test_the_fullest_bin_has_the_highest_bar_below() -> None:
    plot = reliability_plot((UNSURE, SURE))
    heights = re.findall(r'class="share".+?height="([\d.]+)"', plot)
    assert float(heights[0]) * 4 == float(heights[1])


def test_the_numbers_can_be_read_with_the_mouse() -> None:
    assert "0.850 sure, 0.600 right, 100 pixels" in reliability_plot((SURE,))


@given(st.lists(st.floats(0, 1), min_size=15, max_size=15))
def test_nothing_is_drawn_beyond_the_plot(rights: list[float]) -> None:
    bins = tuple(
        Bin(number / 15, (number + 1) / 15, 1, (number + 0.5) / 15, right)
        for number, right in enumerate(rights)
    )
    for name in ("right", "over", "under"):
        assert all(0 <= low <= high <= 1 for low, high in bars(bins, name))


def test_without_bins_there_is_no_plot() -> None:
    assert reliability_plot(()) == ""
