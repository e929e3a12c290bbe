"""Annotations as layers: frames, holes, colours, names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from annotated_layers import PROVENANCE, WORDS, labels_with_a_hole, picture
from hypothesis import given
from hypothesis import strategies as st

from napari_plugin.layer_data import (
    METADATA,
    Origin,
    label_colours,
    labels_layer,
    layers_of,
    polygons_layer,
    rings_of,
    vertices_of,
)
from napari_plugin.layer_reading import origin_in
from ovseg_annotate.geometry import Polygon, Ring

corners = st.floats(-1000, 1000, allow_subnormal=False)


def square(corner: float, side: float) -> Ring:
    return corner + side * np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])


@given(corners, st.integers(0, 3))
def test_rings_come_back_from_the_vertices_of_a_polygon(corner: float, holes: int) -> None:
    inner = tuple(square(corner + 1 + 3 * number, 2.0)[::-1] for number in range(holes))
    polygon = Polygon(square(corner, 20.0), inner)
    rings = rings_of(vertices_of(polygon))
    assert len(rings) == 1 + holes
    for got, wanted in zip(rings, polygon.rings, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-9)


def test_the_first_pixel_has_its_middle_at_zero() -> None:
    pixel = Polygon(square(0.0, 1.0))
    vertices = vertices_of(pixel)
    assert vertices.min() == -0.5
    assert vertices.max() == 0.5


def test_rows_come_before_columns() -> None:
    wide = Polygon(np.array([(0.0, 0.0), (30.0, 0.0), (30.0, 2.0), (0.0, 2.0)]))
    assert np.ptp(vertices_of(wide), axis=0).tolist() == [2.0, 30.0]


def test_labels_and_polygons_of_a_concept_have_one_colour_whatever_the_alphabet_says() -> None:
    (_, labels, _), (_, shapes, _) = layers_of(picture())
    for concept, colour in zip(shapes["features"]["class"], shapes["edge_color"], strict=True):
        assert labels["colormap"][WORDS.names.index(concept) + 1] == colour
    assert shapes["features"]["class"] == ["zebra", "apple", "apple"]


def test_the_colours_are_those_of_the_vocabulary() -> None:
    assert label_colours(WORDS)[2] == pytest.approx((0.0, 1.0, 128 / 255, 1.0))


def test_a_table_names_every_label_and_tells_its_share() -> None:
    _, keywords, _ = labels_layer(labels_with_a_hole(), Origin.of(picture()), "x")
    features = keywords["features"]
    assert features["class"] == ["unlabelled", "zebra", "apple", "ground"]
    assert features["index"].tolist() == [0, 1, 2, 3]
    assert sum(features["share"]) == pytest.approx(1.0)


def test_a_hole_is_a_second_closed_ring_of_its_shape() -> None:
    data, _, _ = polygons_layer(picture().regions, Origin.of(picture()), "x")
    assert len(rings_of(data[0])) == 2
    assert [len(rings_of(each)) for each in data[1:]] == [1, 1]


def test_no_polygons_at_all_is_a_layer_too() -> None:
    data, keywords, kind = polygons_layer((), Origin.of(picture()), "x")
    assert (data, keywords["ndim"], kind) == ([], 2, "shapes")


@pytest.mark.parametrize("provenance", [None, PROVENANCE])
def test_what_a_layer_was_made_from_comes_back_from_its_metadata(provenance: object) -> None:
    origin = replace(Origin.of(picture()), provenance=provenance)
    assert origin_in({"metadata": origin.as_metadata()}, "x") == origin
    assert origin_in({"metadata": {"other": 1}}, "x") is None
    assert METADATA in origin.as_metadata()
