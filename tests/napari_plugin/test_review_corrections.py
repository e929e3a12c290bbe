"""From painted labels to regions: what nobody touched stays what it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from annotated_layers import labels_with_a_hole, picture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_plugin.review_corrections import accepted_picture, corrected_picture
from ovseg_annotate.regions import Mask, Region, labels_of

few = arrays(np.uint8, (10, 8), elements=st.integers(0, 2))


@given(few, few)
def test_the_regions_say_what_was_painted_whatever_was_there(
    before: np.ndarray, after: np.ndarray
) -> None:
    image = corrected_picture(picture(before), before, after)
    assert np.array_equal(labels_of(image), after)


def test_a_region_that_nobody_touched_is_the_very_same() -> None:
    before, painted = picture(), labels_with_a_hole()
    labels = painted.copy()
    labels[0, 59] = 0  # a corner of the apple at the border
    image = corrected_picture(before, painted, labels)
    zebra, border_apple, inner_apple = before.regions
    assert image.regions[:2] == (zebra, inner_apple)
    assert image.regions[2].concept == border_apple.concept
    assert image.regions[2].confidence is None


def test_painting_beside_a_region_makes_it_grow_instead_of_a_second_one() -> None:
    before, painted = picture(), labels_with_a_hole()
    labels = painted.copy()
    labels[9, 50:60] = 2
    image = corrected_picture(before, painted, labels)
    assert len(image.regions) == len(before.regions)


def test_a_region_over_another_one_survives_a_change_elsewhere() -> None:
    large, small = np.zeros((20, 20), np.bool_), np.zeros((20, 20), np.bool_)
    large[2:18, 2:18] = small[5:8, 5:8] = True
    regions = (
        Region("zebra", (), Mask.of(large)),
        Region("apple", (), Mask.of(small)),
    )
    before = replace(picture(np.zeros((20, 20), np.uint8)), regions=regions)
    painted = labels_of(before)
    labels = painted.copy()
    labels[6, 6] = 0  # only inside the small one
    image = corrected_picture(before, painted, labels)
    assert np.array_equal(labels_of(image), labels)


def test_a_correction_is_a_persons_and_has_no_provenance() -> None:
    painted = labels_with_a_hole()
    assert corrected_picture(picture(), painted, np.zeros_like(painted)).provenance is None


def test_what_is_accepted_says_nothing_about_confidence() -> None:
    image = accepted_picture(picture())
    assert {(region.confidence, region.margin) for region in image.regions} == {(None, None)}
    assert image.provenance is None
