from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ovseg_annotate.errors import MarkError
from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.pointing.marks import (
    AreaMark,
    BoxMark,
    Mark,
    PointMark,
    box_of,
    check_marks,
    places_of,
    surroundings,
    window_of,
)
from ovseg_annotate.pointing.requests import Request

SIZE = Size(height=40, width=60)


def area(top: int, left: int, bottom: int, right: int, *, positive: bool = True) -> AreaMark:
    mask = np.zeros((SIZE.height, SIZE.width), bool)
    mask[top:bottom, left:right] = True
    return AreaMark("cell", mask, positive)


def test_marks_import_no_torch() -> None:
    code = (
        "import sys, ovseg_annotate.pointing.marks, ovseg_annotate.pointing.requests\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("x", "y"), [(float("nan"), 1.0), (1.0, float("inf")), (float("-inf"), 1.0)]
)
def test_a_place_that_is_no_number_is_refused(x: float, y: float) -> None:
    with pytest.raises(MarkError, match="no number"):
        PointMark("cell", x, y)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 5, 5, 9)])
def test_a_box_without_area_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(MarkError, match="no area"):
        BoxMark("cell", *box)


def test_an_area_needs_bools_and_a_pixel() -> None:
    with pytest.raises(MarkError, match="of bools, got shape"):
        AreaMark("cell", np.zeros((4, 4), np.uint8))  # type: ignore[arg-type]
    with pytest.raises(MarkError, match="no pixel"):
        AreaMark("cell", np.zeros((4, 4), bool))


def test_a_mark_needs_a_concept() -> None:
    with pytest.raises(MarkError, match="name of its concept"):
        PointMark(" ", 1, 1)


@pytest.mark.parametrize(
    "mark",
    [
        PointMark("cell", 60.5, 3),
        PointMark("cell", -0.1, 3),
        BoxMark("cell", 60, 0, 70, 10),
        BoxMark("cell", 5, -10, 20, 0),
    ],
)
def test_a_mark_outside_the_picture_is_refused_with_the_picture_s_size(mark: Mark) -> None:
    with pytest.raises(MarkError, match="outside the picture, which spans 0 to 60 and 0 to 40"):
        check_marks([mark], SIZE)


def test_a_box_may_reach_beyond_the_picture_and_a_point_may_lie_on_its_edge() -> None:
    check_marks([BoxMark("cell", -5, -5, 99, 99), PointMark("cell", 60, 40)], SIZE)


def test_an_area_of_another_picture_is_refused() -> None:
    with pytest.raises(MarkError, match=r"shape \(4, 4\) and the picture \(40, 60\)"):
        check_marks([AreaMark("cell", np.ones((4, 4), bool))], SIZE)


def test_no_marks_at_all_are_refused() -> None:
    with pytest.raises(MarkError, match="nothing is marked"):
        check_marks([], SIZE)


def test_the_box_of_an_area_is_in_pixel_edges() -> None:
    assert box_of(area(3, 5, 7, 9)) == (5.0, 3.0, 9.0, 7.0)
    assert window_of(area(3, 5, 7, 9).mask) == Window(3, 5, 4, 4)


def test_places_of_an_area_are_centres_of_its_pixels() -> None:
    places = places_of(area(3, 5, 5, 7))
    assert {(place.x, place.y) for place in places} == {
        (5.5, 3.5),
        (6.5, 3.5),
        (5.5, 4.5),
        (6.5, 4.5),
    }


def test_places_of_a_large_area_are_few_and_spread() -> None:
    places = places_of(area(0, 0, 40, 60))
    assert len(places) == 32
    assert max(place.y for place in places) - min(place.y for place in places) == 39


def test_the_surroundings_of_marks_stay_inside_the_picture() -> None:
    marks = [PointMark("cell", 10, 10), PointMark("cell", 30, 20)]
    assert surroundings(marks, SIZE, least=15) == (0.0, 0.0, 45.0, 35.0)


def test_what_is_wanted_and_what_is_not_are_told_apart() -> None:
    marks = [PointMark("Cell", 9, 9), PointMark("cell", 30, 9, positive=False), area(8, 8, 10, 12)]
    request = Request.of(marks, SIZE)
    assert (request.concept, request.box) == ("Cell", None)
    assert len(request.wanted) == 1 + 8
    assert [(place.x, place.y) for place in request.unwanted] == [(30, 9)]
    assert request.marked == (8, 8, 12, 10)


@pytest.mark.parametrize(
    ("marks", "problem"),
    [
        ([PointMark("cell", 9, 9), PointMark("cell", 9.2, 9, positive=False)], "contradict"),
        ([area(3, 3, 9, 9), PointMark("cell", 5, 5, positive=False)], "contradict"),
        ([area(3, 3, 9, 9), area(8, 8, 20, 20, positive=False)], "contradict"),
        ([PointMark("cell", 9, 9), BoxMark("cell", 5, 5, 20, 20, positive=False)], "contradict"),
        (
            [BoxMark("cell", 6, 6, 9, 9), BoxMark("cell", 5, 5, 20, 20, positive=False)],
            "contradict",
        ),
        ([BoxMark("cell", 5, 5, 20, 20), PointMark("cell", 30, 9)], "outside its box"),
        ([PointMark("cell", 9, 9, positive=False)], "only what is not meant"),
        ([PointMark("cell", 9, 9), PointMark("bead", 12, 9)], "one object is picked at a time"),
        ([BoxMark("cell", 5, 5, 9, 9), BoxMark("cell", 15, 5, 19, 9)], "2 boxes for one object"),
    ],
)
def test_marks_that_cannot_mean_one_object_are_refused(marks: list[Mark], problem: str) -> None:
    with pytest.raises(MarkError, match=problem):
        Request.of(marks, SIZE)


def test_a_negative_point_may_lie_in_the_box_of_the_object() -> None:
    marks = [BoxMark("cell", 5, 5, 20, 20), PointMark("cell", 9, 9, positive=False)]
    assert Request.of(marks, SIZE).box == marks[0]
