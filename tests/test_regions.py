from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from drawn_masks import WORDS, disk, label_map, small_labels, smooth_field, some_examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import label

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.polygons import fill, to_shapely
from ovseg_annotate.regions import (
    AnnotatedImage,
    Region,
    RegionOptions,
    Removed,
    labels_of,
    regions_of,
    regions_with_report,
)
from ovseg_annotate.vocabulary import Vocabulary

ALL = RegionOptions(minimum_area=1)
EXACT = RegionOptions(minimum_area=1, tolerance=0.0)
SQUARE = np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)])


def picture(regions: tuple[Region, ...], size: Size) -> AnnotatedImage:
    return AnnotatedImage("a.png", size, regions, WORDS, None)


def painted(regions: tuple[Region, ...], size: Size) -> NDArray[np.generic]:
    return labels_of(picture(regions, size))


@some_examples
@given(small_labels, st.sampled_from(["components", "concept", "split"]))
def test_masks_paint_back_to_the_labels(labels: NDArray[np.uint8], instances: str) -> None:
    options = replace(ALL, instances=instances)
    size = Size(*labels.shape)
    np.testing.assert_array_equal(painted(regions_of(label_map(labels), options), size), labels)


@some_examples
@given(small_labels, st.sampled_from(["region", "gap-free"]))
def test_exact_polygons_paint_back_to_the_labels(labels: NDArray[np.uint8], polygons: str) -> None:
    regions = regions_of(label_map(labels), replace(EXACT, polygons=polygons))
    outlines = tuple(replace(region, mask=None) for region in regions)
    np.testing.assert_array_equal(painted(outlines, Size(*labels.shape)), labels)


@some_examples
@given(small_labels)
def test_a_region_is_a_4_connected_component(labels: NDArray[np.uint8]) -> None:
    regions = regions_of(label_map(labels), ALL)
    assert len(regions) == label(labels, connectivity=1, background=0).max()
    for region in regions:
        assert region.mask is not None
        assert label(region.mask.array(), connectivity=1).max() == 1
        assert len(region.polygons) == 1


@some_examples
@given(small_labels)
def test_polygons_of_both_modes_are_valid(labels: NDArray[np.uint8]) -> None:
    for mode in ("region", "gap-free"):
        for region in regions_of(label_map(labels), replace(ALL, polygons=mode)):
            assert shapely.is_valid(to_shapely(region.polygons)).all()


def test_regions_come_concept_after_concept_in_reading_order() -> None:
    labels = np.array([[2, 0, 1, 0, 2], [0, 0, 1, 0, 0], [1, 0, 0, 3, 3]], np.uint8)
    regions = regions_of(label_map(labels), ALL)
    places = [(r.concept, r.mask.box.top, r.mask.box.left) for r in regions if r.mask]
    assert places == [
        ("ash", 0, 2), ("ash", 2, 0), ("birch", 0, 0), ("birch", 0, 4), ("cedar", 2, 3),
    ]  # fmt: skip


def test_confidence_and_margin_are_means_over_the_pixels() -> None:
    labels = np.array([[1, 1, 0, 2], [1, 0, 0, 2]], np.uint8)
    confidence = np.array([[0.25, 0.5, 1, 0.125], [0.75, 1, 1, 0.375]], np.float16)
    maps = LabelMap(labels, confidence, (confidence / 2).astype(np.float16), WORDS)
    ash, birch = regions_of(maps, ALL)
    assert (ash.confidence, ash.margin) == (0.5, 0.25)
    assert (birch.confidence, birch.margin) == (0.25, 0.125)


def test_one_region_a_concept_keeps_all_its_parts() -> None:
    labels = np.zeros((60, 200), np.uint8)
    labels[5:55, 5:85] = 1
    for number in range(5):
        labels[10 + 9 * number : 14 + 9 * number, 100:105] = 1
    (region,) = regions_of(label_map(labels), replace(ALL, instances="concept"))
    assert len(region.polygons) == 6
    np.testing.assert_array_equal(painted((region,), Size(60, 200)), labels)


def test_parts_below_the_minimum_area_are_counted_in_the_report() -> None:
    labels = np.zeros((60, 200), np.uint8)
    labels[5:55, 5:85] = 1
    for number in range(5):
        labels[10 + 9 * number : 14 + 9 * number, 100:105] = 1
    labels[0, 199] = 3
    options = RegionOptions(minimum_area=21, instances="concept")
    found = regions_with_report(label_map(labels), options)
    (region,) = found.regions
    assert len(region.polygons) == 1
    assert found.report.removed == (Removed("ash", 5, 100), Removed("cedar", 1, 1))
    kept = regions_with_report(label_map(labels), replace(options, minimum_area=20))
    assert kept.report.removed == (Removed("cedar", 1, 1),)


def test_small_regions_can_go_to_their_neighbour() -> None:
    labels = np.full((20, 20), 1, np.uint8)
    labels[8:10, 8:10] = 2
    merged = regions_with_report(label_map(labels), RegionOptions(small="merge"))
    (region,) = merged.regions
    assert region.mask is not None
    assert (region.concept, region.mask.area) == ("ash", 400)
    assert merged.report.removed == (Removed("birch", 1, 4),)
    (holed,) = regions_of(label_map(labels), RegionOptions(small="drop"))
    assert holed.mask is not None
    assert holed.mask.area == 396


def test_touching_objects_are_split_when_asked() -> None:
    mask = disk((60, 110), (35, 30), 20) | disk((60, 110), (68, 30), 20)
    maps = label_map(mask.astype(np.uint8))
    assert len(regions_of(maps)) == 1
    regions = regions_of(maps, RegionOptions(instances="split"))
    assert len(regions) == 2
    np.testing.assert_array_equal(painted(regions, Size(60, 110)), mask)


def test_gap_free_regions_cover_every_labelled_pixel_once() -> None:
    labels = smooth_field(7, (150, 150), concepts=3, sigma=6)
    options = RegionOptions(polygons="gap-free", small="merge", minimum_iou=0.9)
    found = regions_with_report(label_map(labels + (labels == 0)), options)
    times = np.sum(
        [fill(region.polygons, Window(0, 0, 150, 150)) for region in found.regions], axis=0
    )
    assert (times == 1).all()
    assert found.report.vertices < found.report.vertices_before / 2


def test_masks_alone_come_without_polygons() -> None:
    labels = smooth_field(7, (50, 50), concepts=3, sigma=4)
    found = regions_with_report(label_map(labels), RegionOptions(polygons="none"))
    assert len(found.regions) > 3
    assert all(not region.polygons and region.mask for region in found.regions)
    assert (found.report.vertices, found.report.worst_iou) == (0, 1.0)


def test_the_report_tells_vertices_and_iou() -> None:
    labels = smooth_field(7, (150, 150), concepts=3, sigma=6)
    found = regions_with_report(label_map(labels), RegionOptions())
    report = found.report
    vertices = sum(polygon.vertices for region in found.regions for polygon in region.polygons)
    assert report.vertices == vertices < report.vertices_before
    assert 0.99 <= report.worst_iou <= report.mean_iou <= 1
    assert (report.tolerance, report.below_minimum_iou) == (0.5, 0)


def test_a_vertex_budget_goes_before_the_least_iou_and_is_reported() -> None:
    labels = smooth_field(7, (150, 150), concepts=3, sigma=6)
    options = RegionOptions(vertices_per_polygon=12, vertices_per_image=200)
    found = regions_with_report(label_map(labels), options)
    polygons = [polygon for region in found.regions for polygon in region.polygons]
    assert max(polygon.vertices for polygon in polygons) <= 12
    assert found.report.vertices <= 200
    assert found.report.within_budget
    assert found.report.below_minimum_iou > 0
    assert found.report.worst_iou < 0.99
    assert shapely.is_valid(to_shapely(polygons)).all()


@pytest.mark.parametrize("mode", ["region", "gap-free"])
def test_a_missed_budget_is_reported_and_spoils_no_polygon(mode: str) -> None:
    labels = smooth_field(7, (150, 150), concepts=3, sigma=6)
    options = RegionOptions(polygons=mode, vertices_per_image=30)
    found = regions_with_report(label_map(labels), options)
    assert not found.report.within_budget
    assert found.report.worst_iou >= 0.99


def test_negative_concepts_are_never_regions() -> None:
    words = Vocabulary.parse("ash; -birch; cedar")
    labels = np.array([[1, 2, 3]], np.uint8)
    sure = np.ones((1, 3), np.float16)
    regions = regions_of(LabelMap(labels, sure, sure, words), ALL)
    assert [region.concept for region in regions] == ["ash", "cedar"]


def test_a_label_without_a_concept_is_refused() -> None:
    with pytest.raises(ValueError, match="label 4 in a map of 3 concepts"):
        regions_of(label_map(np.array([[4]], np.uint8)))


@pytest.mark.parametrize("polygons", ["region", "gap-free", "none"])
@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (30, 20)])
def test_a_map_without_labels_has_no_regions(polygons: str, shape: tuple[int, int]) -> None:
    options = replace(ALL, polygons=polygons, instances="split")
    found = regions_with_report(label_map(np.zeros(shape, np.uint8)), options)
    assert found.regions == ()
    assert found.report.removed == ()


def test_three_hundred_concepts_keep_their_names() -> None:
    words = Vocabulary.parse(";".join(f"concept {number}" for number in range(300)))
    labels = np.zeros((4, 600), np.uint16)
    labels[:, ::2] = np.arange(1, 301)
    sure = np.ones(labels.shape, np.float16)
    regions = regions_of(LabelMap(labels, sure, sure, words), ALL)
    assert [region.concept for region in regions] == list(words.names)
    image = AnnotatedImage("a.png", Size(4, 600), regions, words, None)
    np.testing.assert_array_equal(labels_of(image), labels)
    assert labels_of(image).dtype == np.uint16


@pytest.mark.parametrize("name", ["region", "gap-free"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 30), (30, 1), (2, 2)])
def test_tiny_and_thin_regions_have_polygons_of_three_points_or_more(
    name: str, shape: tuple[int, int]
) -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[3 : 3 + shape[0], 5 : 5 + shape[1]] = 1
    (region,) = regions_of(label_map(labels), replace(ALL, polygons=name))
    (polygon,) = region.polygons
    assert len(np.unique(polygon.outline, axis=0)) >= 3
    np.testing.assert_array_equal(fill([polygon], Window(0, 0, 40, 40)), labels == 1)
