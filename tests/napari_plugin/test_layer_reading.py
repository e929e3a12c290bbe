"""Layers that this plugin made, and layers that people made by themselves, as annotations."""

from __future__ import annotations

import numpy as np
import pytest
from annotated_layers import PROVENANCE, labels_with_a_hole, picture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_plugin.layer_data import layers_of
from napari_plugin.layer_reading import annotated_images
from ovseg_annotate.errors import FormatError
from ovseg_annotate.regions import labels_of

IMAGE = (np.zeros((40, 60, 3), np.uint8), {"name": "photo", "rgb": True}, "image")
SQUARE = np.array([(1.0, 2.0), (1.0, 12.0), (11.0, 12.0), (11.0, 2.0)])


@given(arrays(np.uint8, (12, 9), elements=st.integers(0, 2)))
def test_painted_labels_come_back_to_the_pixel(labels: np.ndarray) -> None:
    layer = layers_of(picture(labels))[0]
    (image,) = annotated_images([layer])
    assert np.array_equal(labels_of(image), labels)


def test_polygons_come_back_with_holes_scores_and_provenance() -> None:
    before = picture()
    (image,) = annotated_images([layers_of(before)[1]])
    assert np.array_equal(labels_of(image), labels_of(before))
    assert image.provenance == PROVENANCE
    assert [region.confidence for region in image.regions] == [0.75, 0.75, 0.75]
    assert [len(region.polygons[0].holes) for region in image.regions] == [1, 0, 0]


def test_parts_of_one_region_stay_one_region() -> None:
    data, keywords, kind = layers_of(picture())[1]
    keywords["features"]["region"] = np.array([0, 1, 1])
    (image,) = annotated_images([(data, keywords, kind)])
    assert [len(region.polygons) for region in image.regions] == [1, 2]


def test_labels_are_taken_before_the_polygons_beside_them() -> None:
    labels, polygons = layers_of(picture())
    labels[0][:] = 0
    (image,) = annotated_images([polygons, labels])
    assert image.regions == ()


def test_a_label_that_has_no_name_gets_one_and_is_not_lost() -> None:
    labels, keywords, kind = layers_of(picture())[0]
    labels[0, 0] = 9
    (image,) = annotated_images([(labels, keywords, kind)])
    assert "label 9" in {region.concept for region in image.regions}


def test_labels_of_another_program_are_named_by_its_table() -> None:
    table = {"index": [0, 2], "class": ["background", "cat"]}
    layer = (labels_with_a_hole(), {"name": "theirs", "features": table}, "labels")
    (image,) = annotated_images([layer, IMAGE])
    assert image.name == "photo"
    assert {region.concept for region in image.regions} == {"label 1", "cat"}


def test_two_labels_of_one_name_are_an_error() -> None:
    layer = (labels_with_a_hole(), {"name": "x", "features": {"class": ["", "a", "a"]}}, "labels")
    with pytest.raises(FormatError, match="two labels have one name"):
        annotated_images([layer])


@pytest.mark.parametrize("data", [np.zeros((4, 4)), np.zeros(4, np.uint8)])
def test_what_is_no_map_of_labels_is_an_error(data: np.ndarray) -> None:
    with pytest.raises(FormatError, match="expected whole numbers"):
        annotated_images([(data, {"name": "x"}, "labels")])


@pytest.mark.parametrize("label", [-1, 70_000])
def test_a_label_out_of_range_is_an_error(label: int) -> None:
    data = np.full((4, 4), label, np.int32)
    with pytest.raises(FormatError, match="labels go from 0 to 65534"):
        annotated_images([(data, {"name": "x"}, "labels")])


def test_a_stack_gives_a_picture_a_plane() -> None:
    stack = np.stack([labels_with_a_hole(), np.zeros((40, 60), np.uint8)])
    images = annotated_images([(stack, {"name": "stack"}, "labels")])
    assert [(image.name, len(image.regions)) for image in images] == [
        ("stack-0000", 3),
        ("stack-0001", 0),
    ]


def test_the_full_size_of_several_scales_is_taken() -> None:
    scales = [labels_with_a_hole(), labels_with_a_hole()[::2, ::2]]
    (image,) = annotated_images([(scales, {"name": "x"}, "labels")])
    assert image.size.width == 60


def test_rectangles_and_ellipses_are_regions_too() -> None:
    keywords = {
        "name": "drawn",
        "shape_type": ["rectangle", "ellipse"],
        "features": {"class": ["box", "disc"]},
    }
    (image,) = annotated_images([([SQUARE, SQUARE], keywords, "shapes"), IMAGE])
    box, disc = (sum(part.area for part in region.polygons) for region in image.regions)
    assert box == pytest.approx(100.0)
    assert disc == pytest.approx(np.pi * 25, rel=1e-3)


def test_a_line_encloses_nothing_and_is_named() -> None:
    keywords = {"name": "drawn", "shape_type": "path", "features": {"class": ["crack"]}}
    with pytest.raises(FormatError, match="shape 1 is a path"):
        annotated_images([([SQUARE], keywords, "shapes"), IMAGE])


def test_shapes_without_names_say_where_names_belong() -> None:
    keywords = {"name": "drawn", "shape_type": "polygon"}
    with pytest.raises(FormatError, match="column 'class'"):
        annotated_images([([SQUARE], keywords, "shapes"), IMAGE])


def test_shapes_without_a_picture_say_that_it_has_to_be_selected() -> None:
    keywords = {"name": "drawn", "shape_type": "polygon", "features": {"class": ["box"]}}
    with pytest.raises(FormatError, match="select the picture's layer"):
        annotated_images([([SQUARE], keywords, "shapes")])


def test_shapes_of_a_stack_go_to_their_planes() -> None:
    def on_plane(number: int) -> np.ndarray:
        return np.column_stack((np.full(4, number), SQUARE))

    stack = (np.zeros((5, 40, 60), np.uint8), {"name": "stack"}, "image")
    keywords = {"name": "drawn", "shape_type": "polygon", "features": {"class": ["a", "b"]}}
    images = annotated_images([([on_plane(3), on_plane(1)], keywords, "shapes"), stack])
    assert [image.name for image in images] == ["stack-0001", "stack-0003"]
    assert [image.regions[0].concept for image in images] == ["b", "a"]


def test_an_image_alone_is_no_annotation() -> None:
    with pytest.raises(FormatError, match="neither a labels nor a shapes layer"):
        annotated_images([IMAGE])
