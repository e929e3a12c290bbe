"""What is written comes back: in every format, for every kind of region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from ovseg_annotate.formats.catalogue import FORMATS
from ovseg_annotate.formats.coco import CocoOptions
from ovseg_annotate.formats.label_studio_results import LabelStudioOptions
from ovseg_annotate.formats.labelme import LabelmeOptions
from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, labels_of, mask_of
from ovseg_annotate.vocabulary import Vocabulary

Build = Callable[..., AnnotatedImage]
Again = Callable[..., list[AnnotatedImage]]

VARIANTS = [
    *((name, None) for name in FORMATS),
    ("label-studio", LabelStudioOptions(shapes="brush")),
    ("label-studio", LabelStudioOptions(shapes="bitmask")),
    ("coco", CocoOptions(polygons=False)),
    ("labelme", LabelmeOptions(polygons=False)),
]
KEEPS_REGIONS = ["label-studio", "coco", "voc", "labelme", "geojson", "cvat"]
KEEPS_SCORES = ["label-studio", "coco", "labelme", "geojson"]
KEEPS_PROVENANCE = ["label-studio", "coco", "geojson"]

label_maps = arrays.arrays(
    np.int64,
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    elements=st.sampled_from([0, 0, 1, 2, 4]),
)
variants = pytest.mark.parametrize(
    ("name", "options"), VARIANTS, ids=lambda value: value if isinstance(value, str) else "options"
)


def by_name(image: AnnotatedImage) -> NDArray[np.str_]:
    """The concept's name on every pixel: formats may renumber, never rename."""
    names = np.array(["", *image.vocabulary.names])
    return names[labels_of(image)]


def pixels_of(region: Region, size: Size) -> NDArray[np.bool_]:
    pixels = np.zeros((size.height, size.width), bool)
    mask = mask_of(region, size)
    pixels[mask.box.slices] = mask.array()
    return pixels


@variants
@settings(max_examples=25, deadline=None)
@given(labels=label_maps)
def test_every_pixel_keeps_its_concept(
    name: str,
    options: object,
    labels: NDArray[np.int_],
    image_of_labels: Build,
    again: Again,
) -> None:
    image = image_of_labels(labels, provenance=None)
    if not image.regions and name == "labelme":
        return  # its file holds no concept then; see the test of the empty picture
    (read,) = again(name, [image], options)
    assert read.size == image.size
    np.testing.assert_array_equal(by_name(read), by_name(image))


def ring() -> NDArray[np.bool_]:
    y, x = np.mgrid[:40, :50]
    distance = np.hypot(x - 24, y - 20)
    return (distance < 18) & (distance >= 9)


def ring_with_an_island() -> NDArray[np.bool_]:
    y, x = np.mgrid[:40, :50]
    return ring() | (np.hypot(x - 24, y - 20) < 4)


def two_holes() -> NDArray[np.bool_]:
    mask = np.ones((30, 40), bool)
    mask[5:12, 6:14] = mask[5:20, 22:30] = False
    return mask


def diagonal_hole_pixels() -> NDArray[np.bool_]:
    mask = np.ones((6, 7), bool)
    mask[2, 2] = mask[3, 3] = False
    return mask


def diagonal_pixels() -> NDArray[np.bool_]:
    return np.eye(5, 8, dtype=bool)


def one_pixel() -> NDArray[np.bool_]:
    mask = np.zeros((5, 6), bool)
    mask[4, 5] = True
    return mask


def whole_picture() -> NDArray[np.bool_]:
    return np.ones((7, 9), bool)


SHAPES = [
    ring,
    ring_with_an_island,
    two_holes,
    diagonal_hole_pixels,
    diagonal_pixels,
    one_pixel,
    whole_picture,
]


@variants
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_holes_islands_and_corners_survive(
    name: str,
    options: object,
    shape: Callable[[], NDArray[np.bool_]],
    image_of_masks: Build,
    again: Again,
) -> None:
    mask = shape()
    (read,) = again(name, [image_of_masks(mask)], options)
    drawn = np.logical_or.reduce([pixels_of(region, read.size) for region in read.regions])
    np.testing.assert_array_equal(drawn, mask)
    assert {region.concept for region in read.regions} == {"car"}
    if name in KEEPS_REGIONS:
        assert len(read.regions) == 1


@variants
def test_an_empty_picture_among_others_stays_empty(
    name: str, options: object, image_of_labels: Build, again: Again
) -> None:
    empty = image_of_labels(np.zeros((4, 6), int), name="b.jpg", provenance=None)
    full = image_of_labels(np.ones((3, 5), int), name="a.jpg", provenance=None)
    read = {image.name: image for image in again(name, [full, empty], options)}
    assert set(read) == {"a.jpg", "b.jpg"}
    assert read["b.jpg"].regions == ()
    assert read["b.jpg"].size == Size(4, 6)


@pytest.mark.parametrize("name", FORMATS)
def test_no_picture_at_all_is_a_file_too(name: str, image_of_labels: Build, again: Again) -> None:
    if name in ("label-studio", "geojson"):
        assert again(name, []) == []
    else:
        with pytest.raises(Exception, match=r"nothing to label|no categories|no labelled|names"):
            again(name, [])


@variants
def test_300_regions_of_300_concepts_stay_apart(
    name: str, options: object, image_of_labels: Build, again: Again
) -> None:
    labels = np.zeros((60, 80), int)
    labels[1::3, 1::4] = np.arange(1, 401).reshape(20, 20)
    labels[labels > 300] = 0
    vocabulary = "; ".join(f"thing {number}" for number in range(1, 301))
    image = image_of_labels(labels, vocabulary=vocabulary, provenance=None)
    if name == "voc":
        with pytest.raises(Exception, match=r"300 concepts.*254.*'masks'"):
            again(name, [image], options)
        return
    (read,) = again(name, [image], options)
    assert len(read.regions) == 300
    np.testing.assert_array_equal(by_name(read), by_name(image))


def test_300_touching_objects_of_one_concept_stay_apart_in_voc(again: Again) -> None:
    labels = np.repeat(np.arange(300).reshape(15, 20), 2, axis=1)
    regions = tuple(Region("car", (), Mask.of(labels == number)) for number in range(300))
    image = AnnotatedImage("a.png", Size(15, 40), regions, Vocabulary.parse("car"), None)
    (read,) = again("voc", [image])
    assert len(read.regions) == 300
    assert {region.mask.area for region in read.regions if region.mask} == {2}


@pytest.mark.parametrize("name", KEEPS_SCORES)
def test_confidence_survives(name: str, small_region: AnnotatedImage, again: Again) -> None:
    (read,) = again(name, [small_region])
    assert [region.confidence for region in read.regions] == [0.5]


@pytest.mark.parametrize("name", KEEPS_PROVENANCE)
def test_provenance_survives(name: str, small_region: AnnotatedImage, again: Again) -> None:
    (read,) = again(name, [small_region])
    assert read.provenance == small_region.provenance


@pytest.mark.parametrize("name", ["label-studio", "geojson"])
def test_the_whole_vocabulary_survives(
    name: str, small_region: AnnotatedImage, again: Again
) -> None:
    (read,) = again(name, [small_region])
    assert read.vocabulary == small_region.vocabulary


@variants
def test_names_with_umlauts_spaces_and_folders_survive(
    name: str, options: object, image_of_labels: Build, again: Again
) -> None:
    names = ["Übung 1/größe, (neu).v2.jpeg", "Übung 2/größe, (neu).v2.jpeg"]
    vocabulary = "Straße; naïve & <b>; 'q' x"
    images = [
        image_of_labels(np.full((3, 4), 2), name=each, vocabulary=vocabulary, provenance=None)
        for each in names
    ]
    read = again(name, images, options)
    assert [image.name for image in read] == names
    assert [region.concept for image in read for region in image.regions] == ["naïve & <b>"] * 2


@pytest.mark.parametrize("name", ["label-studio", "yolo", "geojson", "cvat", "coco"])
def test_points_between_pixels_survive(name: str, again: Again) -> None:
    outline = np.array([(3.25, 4.5), (40.75, 6.25), (35.5, 30.125), (10.0, 28.75)])
    region = Region("car", (Polygon(outline),), None)
    image = AnnotatedImage("a.png", Size(40, 50), (region,), Vocabulary.parse("car"), None)
    (read,) = again(name, [image])
    (polygon,) = read.regions[0].polygons
    order = np.argmin(np.abs(polygon.outline - outline[0]).sum(axis=1))
    tolerance = 0.006 if name == "cvat" else 0.001
    np.testing.assert_allclose(np.roll(polygon.outline, -order, axis=0), outline, atol=tolerance)


@variants
def test_what_reaches_over_the_border_is_cut_off(name: str, options: object, again: Again) -> None:
    outline = np.array([(-5.0, 2.0), (30.0, 2.0), (30.0, 5.0), (-5.0, 5.0)])
    region = Region("car", (Polygon(outline),), None)
    image = AnnotatedImage("a.png", Size(10, 20), (region,), Vocabulary.parse("car"), None)
    (read,) = again(name, [image], options)
    expected = np.zeros((10, 20), bool)
    expected[2:5] = True
    np.testing.assert_array_equal(pixels_of(read.regions[0], read.size), expected)


@variants
def test_ten_rounds_change_nothing(
    name: str, options: object, image_of_masks: Build, again: Again
) -> None:
    (first,) = again(name, [image_of_masks(ring_with_an_island())], options)
    last = first
    for _ in range(10):
        (last,) = again(name, [last], options)
    assert len(first.regions) == len(last.regions)
    for before, after in zip(first.regions, last.regions, strict=True):
        assert mask_of(after, last.size).box == mask_of(before, first.size).box
        np.testing.assert_array_equal(pixels_of(after, last.size), pixels_of(before, first.size))


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_with_other_concepts_share_one_list(
    name: str, image_of_labels: Build, again: Again
) -> None:
    images = [
        image_of_labels(np.ones((2, 3), int), name="a.jpg", vocabulary="car", provenance=None),
        image_of_labels(
            np.full((2, 3), 2), name="b.jpg", vocabulary="sky; car; sea", provenance=None
        ),
        image_of_labels(np.ones((2, 3), int), name="c.jpg", vocabulary="sea", provenance=None),
    ]
    read = again(name, images)
    assert [region.concept for image in read for region in image.regions] == ["car", "car", "sea"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_concept_that_is_not_to_be_labelled_is_refused(
    name: str, small_region: AnnotatedImage, again: Again
) -> None:
    stranger = replace(small_region.regions[0], concept="boat")
    if name in ("label-studio", "geojson"):
        return  # no list of concepts that could contradict
    with pytest.raises(Exception, match=r"boat.*road"):
        again(name, [replace(small_region, regions=(stranger,))])
