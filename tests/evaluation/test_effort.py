from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.errors import FormatError
from ovseg_annotate.evaluation.effort import Effort, by_version, compared, effort_of
from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.polygons import trace
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("red; green")
SIZE = Size(height=40, width=60)


def box(top: int, left: int, height: int, width: int, concept: str = "red") -> Region:
    """A region drawn as an outline."""
    corners = [[left, top], [left + width, top], [left + width, top + height], [left, top + height]]
    return Region(concept, (Polygon(np.array(corners, np.float64)),), None)


def painted(top: int, left: int, height: int, width: int, concept: str = "red") -> Region:
    mask = Mask.of(np.ones((height, width), np.bool_), top, left)
    return Region(concept, trace(mask.array(), top, left), mask, confidence=0.5)


def image(*regions: Region, words: Vocabulary = WORDS) -> AnnotatedImage:
    return AnnotatedImage("a.png", SIZE, regions, words, None)


def effort(before: AnnotatedImage | None, after: AnnotatedImage) -> Effort:
    return effort_of(compared(before, after))


def test_what_was_let_stand_costs_nothing() -> None:
    suggested = image(painted(0, 0, 10, 10), painted(20, 20, 10, 10, "green"))
    assert effort(suggested, suggested) == Effort(regions_kept=2)


def test_a_simplified_outline_in_a_file_is_no_change() -> None:
    disk = np.hypot(*(np.mgrid[:21, :21] - 10)) <= 10
    outline = trace(disk, 5, 5)
    suggested = image(Region("red", outline, Mask.of(disk, 5, 5)))
    rounded = tuple(each.moved(1e-9, -1e-9) for each in outline)
    assert effort(suggested, image(Region("red", rounded, None))) == Effort(regions_kept=1)


def test_another_concept_is_a_change_of_all_its_pixels() -> None:
    counted = effort(image(painted(0, 0, 10, 10)), image(painted(0, 0, 10, 10, "green")))
    assert counted == Effort(pixels_relabelled=100, regions_changed=1)


def test_removed_and_drawn_regions_are_told_from_changed_ones() -> None:
    suggested = image(painted(0, 0, 10, 10), painted(20, 20, 10, 10))
    left = image(painted(0, 0, 10, 12), painted(0, 40, 5, 5))
    assert effort(suggested, left) == Effort(
        pixels_relabelled=20 + 100 + 25, regions_changed=1, regions_removed=1, regions_drawn=1
    )


def test_a_pulled_corner_is_one_vertex_moved() -> None:
    pulled = np.array([[0.0, 0], [20, 0], [24, 24], [0, 20]])
    left = image(Region("red", (Polygon(pulled),), None))
    counted = effort(image(box(0, 0, 20, 20)), left)
    assert (counted.vertices_moved, counted.vertices_added, counted.vertices_deleted) == (1, 0, 0)


def test_vertices_put_in_and_taken_out_are_counted() -> None:
    more = np.array([[0.0, 0], [10, -4], [20, 0], [20, 20], [0, 20]])
    suggested, larger = image(box(0, 0, 20, 20)), image(Region("red", (Polygon(more),), None))
    moved = image(Region("red", (Polygon(more + np.array([0.0, 6.0])),), None))
    assert effort(image(box(0, 0, 20, 20)), moved).vertices_added == 1
    assert effort(moved, image(box(0, 0, 20, 20))).vertices_deleted == 1
    assert effort(suggested, larger).regions_kept == 1  # the new corner lies outside the picture


def test_painting_moves_no_vertices() -> None:
    counted = effort(image(painted(0, 0, 10, 10)), image(painted(0, 0, 14, 10)))
    assert counted == Effort(pixels_relabelled=40, regions_changed=1)


def test_a_drawn_outline_costs_all_its_vertices() -> None:
    assert effort(None, image(box(0, 0, 10, 10))) == Effort(
        pixels_relabelled=100, vertices_added=4, regions_drawn=1
    )


def test_each_region_is_matched_once_and_the_best_first() -> None:
    suggested = image(painted(0, 0, 10, 10))
    left = image(painted(0, 0, 10, 6), painted(0, 0, 10, 10))
    counted = effort(suggested, left)
    assert (counted.regions_kept, counted.regions_drawn) == (1, 1)


def test_words_may_be_spelled_differently_and_be_more() -> None:
    words = Vocabulary.parse("Red; blue")
    left = image(painted(0, 0, 10, 10, "Red"), painted(20, 0, 5, 5, "blue"), words=words)
    counted = effort(image(painted(0, 0, 10, 10)), left)
    assert (counted.regions_kept, counted.regions_drawn) == (1, 1)
    assert compared(image(), left).vocabulary.names == ("Red", "blue", "green")


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(
        FormatError, match="the suggestion is 60 x 40 px and the correction 30 x 40"
    ):
        compared(image(), replace(image(), size=Size(height=40, width=30)))


def test_versions_are_summed_in_the_order_in_which_they_occur() -> None:
    first, second = by_version(
        [("b", Effort(regions_kept=1)), ("a", Effort()), ("b", Effort(pixels_relabelled=6))]
    )
    assert (first.version, second.version) == ("b", "a")
    assert first.effort == Effort(pictures=2, pixels_relabelled=6, regions_kept=1)
    assert (first.pixels_a_picture, first.kept_share) == (3.0, 1.0)


def test_the_share_that_was_kept_leaves_out_what_nobody_suggested() -> None:
    (only,) = by_version([("a", Effort(regions_kept=1, regions_removed=3, regions_drawn=9))])
    assert only.kept_share == 0.25


corners = st.integers(0, 20)
shapes = st.lists(
    st.builds(painted, corners, corners, st.integers(2, 15), st.integers(2, 15)), max_size=4
)


@given(shapes, shapes)
def test_every_region_is_accounted_for_once(before: list[Region], after: list[Region]) -> None:
    counted = effort(image(*before), image(*after))
    stayed = counted.regions_kept + counted.regions_changed
    assert stayed + counted.regions_removed == len(before)
    assert stayed + counted.regions_drawn == len(after)
    assert (counted.pixels_relabelled == 0) or counted.regions_kept < max(len(before), len(after))
