"""From regions to result items: places, shapes, holes, and what the editor can bear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from suggesting import PLAIN, config, control

from labelstudio_backend.editor_limits import within_limits
from labelstudio_backend.label_config import read_label_config
from labelstudio_backend.predictions import Canvas, drawn, score_of
from labelstudio_backend.suggest_options import Holes, SuggestOptions
from labelstudio_backend.words import ImageWords, words_of_controls
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.label_studio_results import regions_of_results
from ovseg_annotate.geometry import Size
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.region_options import RegionOptions
from ovseg_annotate.regions import Region, mask_of, regions_of
from ovseg_annotate.vocabulary import Vocabulary

SIZE = Size(height=60, width=80)
EXACT = replace(PLAIN, regions=replace(PLAIN.regions, tolerance=0.0), minimum_hole=0)


def words(*controls: str) -> ImageWords:
    found = read_label_config(config(*controls))
    return words_of_controls(each for each in found.controls if each.kind.is_shape)


def regions(labels: NDArray[np.int_], tolerance: float = 0.0) -> tuple[Region, ...]:
    """The regions of labels 1 (car) and 2 (road)."""
    sure = np.full(labels.shape, 0.75, np.float16)
    label_map = LabelMap(labels.astype(np.uint8), sure, sure, Vocabulary.parse("car; road"))
    return regions_of(label_map, RegionOptions(minimum_area=1, tolerance=tolerance))


def two_things() -> NDArray[np.int_]:
    labels = np.zeros((SIZE.height, SIZE.width), int)
    labels[5:45, 10:50] = 1
    labels[15:30, 20:35] = 0  # a hole of 225 px
    labels[35, 15] = 0  # and one of a single pixel
    labels[50:58, 60:75] = 2
    return labels


def draw(
    labels: NDArray[np.int_], found: ImageWords, options: SuggestOptions = EXACT
) -> list[dict[str, Any]]:
    items = drawn(regions(labels), found, Canvas("image", SIZE), options).items
    return [dict(item) for item in items]


def pixels(items: list[dict[str, Any]], label: str) -> NDArray[np.bool_]:
    """What items of a label cover, as our own reader of exports sees them."""
    covered = np.zeros((SIZE.height, SIZE.width), bool)
    for region in regions_of_results(Field(items, "items")):
        if region.concept == label:
            mask = mask_of(region, SIZE)
            covered[mask.box.slices] |= mask.array()
    return covered


POLYGON = control("PolygonLabels", "poly", "car", "road")
BRUSH = control("BrushLabels", "brush", "car", "road")
BITMASK = control("BitmaskLabels", "bits", "car", "road")
RECTANGLE = control("RectangleLabels", "rect", "car", "road")


@pytest.mark.parametrize("tag", [POLYGON, BRUSH, BITMASK])
def test_pixels_survive_in_every_kind_of_control(tag: str) -> None:
    labels = two_things()
    items = draw(labels, words(tag))
    np.testing.assert_array_equal(pixels(items, "car"), labels == 1)
    np.testing.assert_array_equal(pixels(items, "road"), labels == 2)


def test_a_rectangle_is_the_box_in_percent() -> None:
    (item,) = [item for item in draw(two_things(), words(RECTANGLE)) if "road" in str(item)]
    value = {"x": 75, "y": 83.333333, "width": 18.75, "height": 13.333333, "rotation": 0}
    assert item["value"] == value | {"rectanglelabels": ["road"]}
    assert (item["from_name"], item["to_name"], item["type"]) == (
        "rect",
        "image",
        "rectanglelabels",
    )
    assert (item["original_width"], item["original_height"], item["image_rotation"]) == (80, 60, 0)


def test_a_concept_goes_into_every_control_that_has_its_label() -> None:
    found = words(POLYGON, control("BrushLabels", "brush", '<Label value="x" prompt="road"/>'))
    items = draw(two_things(), found)
    assert {(item["from_name"], str(item["value"].get(item["type"]))) for item in items} == {
        ("poly", "['car']"),
        ("poly", "['road']"),
        ("brush", "['x']"),
    }


def test_ids_are_never_used_twice() -> None:
    found = words(POLYGON, BRUSH, RECTANGLE)
    ids = [item["id"] for _ in range(3) for item in draw(two_things(), found)]
    assert len(set(ids)) == len(ids) == 18


@pytest.mark.parametrize(
    ("holes", "controls", "in_polygons"),
    [
        ("keyhole", (POLYGON, BRUSH), {"car", "road"}),
        ("brush", (POLYGON, BRUSH), {"road"}),
        ("bitmask", (POLYGON, BITMASK), {"road"}),
        ("brush", (POLYGON,), {"car", "road"}),
    ],
)
def test_holes_may_be_left_to_a_control_that_shows_them_exactly(
    holes: Holes, controls: tuple[str, ...], in_polygons: set[str]
) -> None:
    items = draw(two_things(), words(*controls), replace(EXACT, holes=holes))
    polygons = [item for item in items if item["from_name"] == "poly"]
    assert {item["value"]["polygonlabels"][0] for item in polygons} == in_polygons
    np.testing.assert_array_equal(pixels(items, "car"), two_things() == 1)


def test_holes_may_be_filled() -> None:
    covered = pixels(draw(two_things(), words(POLYGON), replace(EXACT, holes="fill")), "car")
    assert covered[5:45, 10:50].all()


def test_small_holes_are_filled_in_polygons_and_kept_in_brushes() -> None:
    options = replace(EXACT, minimum_hole=32)
    polygons = pixels(draw(two_things(), words(POLYGON), options), "car")
    assert polygons[35, 15]
    assert not polygons[20, 25]
    assert not pixels(draw(two_things(), words(BRUSH), options), "car")[35, 15]


def test_many_brushes_become_one_for_each_label() -> None:
    labels = np.zeros((SIZE.height, SIZE.width), int)
    labels[2:50:4, 2:50:4] = 1
    labels[52:58:4, 60:79:4] = 2
    items = draw(labels, words(BRUSH), replace(EXACT, brushes_per_task=3))
    assert len(items) == 2
    np.testing.assert_array_equal(pixels(items, "car"), labels == 1)
    np.testing.assert_array_equal(pixels(items, "road"), labels == 2)


def scattered(count: int) -> NDArray[np.int_]:
    """Disks of rising size in rows, and one with holes."""
    labels = np.zeros((400, 400), int)
    rows, columns = np.mgrid[:400, :400]
    for number in range(count):
        y, x = 12 + 24 * (number // 16), 12 + 24 * (number % 16)
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= (3 + number % 8) ** 2] = 1
    labels[300:390, 10:390] = 1
    labels[305:385:10, 20:380:10] = 0
    return labels


def points(items: tuple[Mapping[str, Any], ...]) -> int:
    return sum(len(item["value"]["points"]) for item in items)


def limited(budget: int | None, **changes: Any) -> SuggestOptions:
    return replace(EXACT, regions=replace(EXACT.regions, vertices_per_image=budget), **changes)


@settings(max_examples=20)
@given(st.integers(4, 1500), st.integers(1, 3))
def test_a_task_never_has_more_points_than_its_budget(budget: int, copies: int) -> None:
    found = words(*(control("PolygonLabels", f"p{number}", "car") for number in range(copies)))
    shown = drawn(_SCATTERED, found, Canvas("image", Size(400, 400)), limited(budget))
    assert points(shown.items) <= budget


@settings(max_examples=20)
@given(st.integers(4, 300))
def test_no_polygon_has_more_points_than_its_budget(budget: int) -> None:
    options = replace(EXACT, regions=replace(EXACT.regions, vertices_per_polygon=budget))
    found = words(control("PolygonLabels", "poly", "car"))
    for item in drawn(_SCATTERED, found, Canvas("image", Size(400, 400)), options).items:
        assert points((item,)) <= budget


_SCATTERED = regions(scattered(120))


def test_outlines_get_simpler_before_anything_is_left_out() -> None:
    exact = within_limits(_SCATTERED, 1, limited(None))
    assert (exact.left_out, exact.note) == (0, None)
    simpler = within_limits(_SCATTERED, 1, limited(2500))
    assert simpler.left_out == 0
    assert simpler.tolerance > exact.tolerance
    assert len(simpler.regions) == len(_SCATTERED)


def test_the_smallest_regions_are_left_out_first_and_a_note_says_so() -> None:
    shown = within_limits(_SCATTERED, 1, limited(None, regions_per_task=10))
    areas = sorted(region.mask.area for region in _SCATTERED if region.mask is not None)
    kept = sorted(region.mask.area for region in shown.regions if region.mask is not None)
    assert kept == areas[-10:]
    assert shown.note is not None
    assert f"{len(_SCATTERED) - 10} of {len(_SCATTERED)} regions" in shown.note


def test_no_regions_are_no_items() -> None:
    shown = drawn((), words(POLYGON, BRUSH), Canvas("image", SIZE), PLAIN)
    assert shown.items == shown.regions == ()


def test_the_score_is_the_mean_confidence_of_all_pixels() -> None:
    first, second = (
        Region("car", found.polygons, found.mask, confidence)
        for found, confidence in zip(regions(two_things()), (0.5, 1.0), strict=True)
    )
    area = (1374, 120)
    assert score_of([first, second]) == pytest.approx((0.5 * area[0] + area[1]) / sum(area))
    assert score_of([]) == 0.0


def test_a_confidence_above_one_by_a_hair_is_one() -> None:
    (first, *_) = regions(two_things())
    shown = drawn([replace(first, confidence=1.0005)], words(POLYGON), Canvas("image", SIZE), PLAIN)
    assert {item["score"] for item in shown.items} == {1.0}


def test_items_of_one_of_several_pictures_say_which() -> None:
    shown = drawn(regions(two_things()), words(POLYGON), Canvas("image", SIZE, index=2), PLAIN)
    assert {item["item_index"] for item in shown.items} == {2}
