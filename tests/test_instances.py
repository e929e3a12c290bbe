from __future__ import annotations

import math

import numpy as np
import pytest
from drawn_masks import disk, some_examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import label

from ovseg_annotate import instances
from ovseg_annotate.errors import OptionError
from ovseg_annotate.instances import split_components, split_mask
from ovseg_annotate.region_options import SplitOptions
from ovseg_annotate.runs import Components, components_of, runs_of

SHAPE = (90, 140)
BY_SHAPE = SplitOptions()
BY_SCORE = SplitOptions(by="score")


def objects_of(components: Components) -> NDArray[np.int32]:
    runs = components.runs
    return np.repeat(runs.values, runs.stops - runs.starts).reshape(
        runs.size.height, runs.size.width
    )


@pytest.mark.parametrize("distance", [24, 30, 38])
def test_two_overlapping_disks_are_two_objects(distance: int) -> None:
    left = disk(SHAPE, (45, 45), 20)
    right = disk(SHAPE, (45 + distance, 45), 20)
    objects = split_mask(left | right, BY_SHAPE)
    assert objects.max() == 2
    assert objects[45, 30] != objects[45, 45 + distance + 15]
    middle = 45 + distance / 2
    halves = np.mgrid[: SHAPE[0], : SHAPE[1]][1] + 0.5 < middle
    number = objects[45, 30]
    wrong = ((objects == number) != halves) & (objects > 0)
    assert wrong.sum() <= 0.02 * (objects > 0).sum()


def test_three_disks_in_a_row_are_three_objects() -> None:
    mask = disk(SHAPE, (30, 45), 18) | disk(SHAPE, (60, 45), 18) | disk(SHAPE, (90, 45), 18)
    assert split_mask(mask, BY_SHAPE).max() == 3


@some_examples
@given(
    long=st.floats(3, 40), share=st.floats(0.1, 1), angle=st.floats(0, math.pi), box=st.booleans()
)
def test_a_convex_object_stays_whole(long: float, share: float, angle: float, box: bool) -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    x, y = x - 70, y - 45
    along = (x * math.cos(angle) + y * math.sin(angle)) / long
    across = (y * math.cos(angle) - x * math.sin(angle)) / max(long * share, 1.5)
    mask = np.maximum(abs(along), abs(across)) <= 1 if box else np.hypot(along, across) <= 1
    assert split_mask(mask, BY_SHAPE).max() == 1


def test_a_disk_cut_by_the_border_stays_whole() -> None:
    assert split_mask(disk((60, 60), (2, 30), 25), BY_SHAPE).max() == 1


def test_a_deeper_neck_is_asked_for_by_a_larger_number() -> None:
    mask = disk(SHAPE, (45, 45), 20) | disk(SHAPE, (75, 45), 20)  # neck: 20 - 13.2 px
    assert split_mask(mask, SplitOptions(neck=5)).max() == 2
    assert split_mask(mask, SplitOptions(neck=8)).max() == 1


def test_every_pixel_of_the_mask_belongs_to_one_4_connected_object() -> None:
    rng = np.random.default_rng(4)
    mask = np.zeros(SHAPE, np.bool_)
    for x, y, radius in rng.uniform((15, 15, 6), (125, 75, 14), (14, 3)):
        mask |= disk(SHAPE, (x, y), radius)
    mask = label(mask, connectivity=1) == 1
    objects = split_mask(mask, BY_SHAPE)
    np.testing.assert_array_equal(objects > 0, mask)
    assert objects.max() > 1
    for number in range(1, objects.max() + 1):
        assert label(objects == number, connectivity=1).max() == 1


def test_a_valley_of_the_confidence_parts_two_objects() -> None:
    mask = np.ones((40, 80), np.bool_)
    x = np.arange(80)
    confidence = np.broadcast_to(0.9 - 0.4 * np.exp(-(((x - 40) / 4) ** 2)), mask.shape)
    objects = split_mask(mask, BY_SCORE, confidence)
    assert objects.max() == 2
    assert (objects[:, :36] == objects[0, 0]).all()
    assert (objects[:, 44:] == objects[0, -1]).all()


def test_a_shallow_valley_parts_nothing() -> None:
    x = np.arange(80)
    confidence = np.broadcast_to(0.9 - 0.05 * np.exp(-(((x - 40) / 4) ** 2)), (40, 80))
    assert split_mask(np.ones((40, 80), np.bool_), BY_SCORE, confidence).max() == 1


def test_an_even_confidence_parts_nothing() -> None:
    mask = disk(SHAPE, (45, 45), 20) | disk(SHAPE, (75, 45), 20)
    assert split_mask(mask, BY_SCORE, np.zeros(SHAPE)).max() == 1


def test_splitting_by_score_asks_for_the_confidence() -> None:
    with pytest.raises(OptionError, match="give the confidence"):
        split_mask(np.ones((3, 3), np.bool_), BY_SCORE)


def two_pairs() -> NDArray[np.uint8]:
    labels = np.zeros((90, 240), np.uint8)
    labels[disk((90, 240), (45, 45), 20) | disk((90, 240), (75, 45), 20)] = 2
    labels[disk((90, 240), (165, 45), 20)] = 1
    labels[5:8, 100:220] = 3
    return labels


def test_components_are_split_in_place() -> None:
    labels = two_pairs()
    before = components_of(runs_of(labels))
    split = split_components(before, BY_SHAPE, np.zeros(labels.shape))
    objects = objects_of(split.components)
    np.testing.assert_array_equal(split.components.labels[objects], labels)
    assert sorted(split.components.labels.tolist()) == [0, 1, 2, 2, 3]
    np.testing.assert_array_equal(split.components.areas, np.bincount(objects.ravel()))
    first = [np.flatnonzero(objects.ravel() == number)[0] for number in range(5)]
    assert first == sorted(first)
    assert split.too_large == 0


def test_components_too_large_to_split_stay_whole_and_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(instances, "LARGEST_BOX", 2500)
    before = components_of(runs_of(two_pairs()))
    split = split_components(before, BY_SHAPE, np.zeros((90, 240)))
    assert split.too_large == 1
    assert sorted(split.components.labels.tolist()) == [0, 1, 2, 3]
