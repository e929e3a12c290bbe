from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ovseg_annotate.evaluation.average_precision import (
    THRESHOLDS,
    AveragePrecision,
    Matches,
    average_precision,
    matches_of,
)
from ovseg_annotate.regions import Mask, Region

SIDE = 40


def square(top: int, left: int, side: int = 10, confidence: float | None = None) -> Region:
    return Region("cell", (), Mask.of(np.ones((side, side), bool), top, left), confidence)


def whole(region: Region) -> NDArray[np.uint8]:
    """The mask in its picture."""
    assert region.mask is not None
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[region.mask.box.slices] = region.mask.array()
    return pixels


class Pictures:
    """Random examples, crowds and suggestions near them, of one concept."""

    def __init__(self, seed: int, count: int, most: int) -> None:
        self._random = np.random.default_rng(seed)
        self.truths = [self._regions(self._random.integers(0, most)) for _ in range(count)]
        self.crowds = [self._regions(self._random.integers(0, 2)) for _ in range(count)]
        self.said = [self._suggestions(known, most) for known in self.truths]

    def matches(self) -> list[Matches]:
        return [matches_of(*each) for each in zip(self.said, self.truths, self.crowds, strict=True)]

    def _regions(self, count: int) -> list[Region]:
        return [self._region(*self._random.integers(0, 24, 2)) for _ in range(count)]

    def _region(self, top: int, left: int, confidence: float | None = None) -> Region:
        height, width = self._random.integers(4, 16, 2)
        pixels = self._random.random((height, width)) < 0.9
        pixels[0, 0] = True
        return Region("cell", (), Mask.of(pixels, top, left), confidence)

    def _suggestions(self, known: list[Region], most: int) -> list[Region]:
        """Some are a known region moved a little; equal confidences happen."""
        said = []
        for each in known:
            if each.mask is not None and self._random.random() < 0.8:
                box = each.mask.box
                down, right = self._random.integers(-1, 2, 2).tolist()
                top, left = max(box.top + down, 0), max(box.left + right, 0)
                mask = Mask.of(each.mask.array(), top, left)
                said.append(Region("cell", (), mask, self._sure()))
        others = self._random.integers(0, 24, (self._random.integers(0, most), 2))
        return said + [self._region(top, left, self._sure()) for top, left in others]

    def _sure(self) -> float:
        return float(self._random.integers(1, 12)) / 12


def by_coco(pictures: Pictures) -> AveragePrecision:
    """The same from pycocotools."""
    truths = [
        {"image_id": number, "iscrowd": crowd, **coded(region)}
        for number, known in enumerate(zip(pictures.truths, pictures.crowds, strict=True))
        for crowd, regions in enumerate(known)
        for region in regions
    ]
    said = [
        {"image_id": number, "score": region.confidence, **coded(region)}
        for number, regions in enumerate(pictures.said)
        for region in regions
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [
                {"id": number, "height": SIDE, "width": SIDE}
                for number in range(len(pictures.truths))
            ],
            "categories": [{"id": 1, "name": "cell"}],
            "annotations": [{"id": number, **each} for number, each in enumerate(truths, 1)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(said) if said else COCO(), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return AveragePrecision(*(value if value > -1 else math.nan for value in evaluation.stats[:3]))


def coded(region: Region) -> dict[str, object]:
    code = coco_mask.encode(np.asfortranarray(whole(region)))
    return {"category_id": 1, "segmentation": code, "area": int(whole(region).sum())}


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 9))
def test_precision_is_that_of_pycocotools(seed: int, count: int, most: int) -> None:
    pictures = Pictures(seed, count, most)
    ours, theirs = average_precision(pictures.matches()), by_coco(pictures)
    assert ours.mean == pytest.approx(theirs.mean, abs=1e-9, nan_ok=True)
    assert ours.at_50 == pytest.approx(theirs.at_50, abs=1e-9, nan_ok=True)
    assert ours.at_75 == pytest.approx(theirs.at_75, abs=1e-9, nan_ok=True)


def test_beyond_a_hundred_suggestions_the_weakest_do_not_count() -> None:
    example = [square(0, 0)]
    misses = [square(20, 20, confidence=0.5) for _ in range(99)]
    last = square(0, 0, confidence=0.1)
    assert average_precision([matches_of([*misses, last], example)]).at_50 == pytest.approx(1 / 100)
    assert average_precision([matches_of([*misses, misses[0], last], example)]).at_50 == 0


def test_everything_found_is_one_and_nothing_found_is_none() -> None:
    examples = [square(0, 0), square(20, 20)]
    said = [square(0, 0, confidence=0.9), square(20, 20, confidence=0.2)]
    assert average_precision([matches_of(said, examples)]) == AveragePrecision(1, 1, 1)
    assert average_precision([matches_of([], examples)]) == AveragePrecision(0, 0, 0)


def test_an_iou_of_two_thirds_is_right_up_to_there() -> None:
    matches = matches_of([square(2, 0, confidence=1.0)], [square(0, 0)])
    assert matches.right[:, 0].tolist() == (THRESHOLDS <= 2 / 3).tolist()


def test_of_two_suggestions_for_one_example_the_weaker_is_wrong() -> None:
    said = [square(1, 0, confidence=0.4), square(0, 0, confidence=0.6)]
    assert matches_of(said, [square(0, 0)]).right[0].tolist() == [True, False]


def test_without_examples_there_is_no_precision() -> None:
    nothing = average_precision([matches_of([square(0, 0, confidence=0.5)], [])])
    assert math.isnan(nothing.mean)
    assert math.isnan(nothing.at_50)


def test_a_person_s_region_is_no_suggestion() -> None:
    with pytest.raises(ValueError, match="how sure"):
        matches_of([square(0, 0)], [square(0, 0)])


def test_a_region_of_polygons_only_is_refused() -> None:
    with pytest.raises(ValueError, match="no mask"):
        matches_of([], [Region("cell", (), None)])
