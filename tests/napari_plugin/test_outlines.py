from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from scipy.ndimage import gaussian_filter

from napari_plugin.layer_data import Labels, Origin
from napari_plugin.outlines import Drawn, Outlines, outlines_of
from napari_plugin.output_layers import OutputLayers
from napari_plugin.pictures import LayerPictures
from ovseg_annotate.geometry import Size
from ovseg_annotate.region_options import RegionOptions
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("a; b")
EXACT = RegionOptions(tolerance=0)


def drawn(labels: Labels) -> Drawn:
    sure = np.full(labels.shape, 0.5, np.float16)
    nobody = np.zeros(labels.shape, bool)
    return Drawn((), labels, nobody, sure, sure, WORDS)


def shown(outlines: Outlines, size: Size, plane: tuple[int, ...] = ()) -> ViewerModel:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((*(2 for _ in plane), size.height, size.width)), name="x")
    outputs = OutputLayers(viewer, LayerPictures.of(layer))
    for _ in outputs.draw([outlines], Origin("x", size, WORDS, None), ()):
        pass
    return viewer


@settings(max_examples=25)
@given(st.integers(0, 2**31))
def test_holes_are_left_open_however_many_there_are(seed: int) -> None:
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(48, 48)), 1.5)
    labels = (noise > -0.03).astype(np.uint8)
    layer = shown(outlines_of(drawn(labels), EXACT), Size(48, 48)).layers["x polygons"]
    covered = layer.to_labels((48, 48)) > 0
    # Exact outlines cut corners of pixels; what is inside or outside by a pixel must agree.
    sure = np.abs(gaussian_filter(labels.astype(float), 1.0) - 0.5) > 0.35
    assert (covered[sure] == (labels[sure] > 0)).all()


def test_what_a_person_did_is_sure() -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[2:8, 2:8], labels[12:18, 12:18] = 1, 2
    given_plane = drawn(labels)
    given_plane.persons[10:] = True
    made = outlines_of(given_plane, RegionOptions())
    assert dict(zip(made.labels.tolist(), made.scores.tolist(), strict=True)) == {1: 0.5, 2: 1.0}


def test_no_regions_make_an_empty_layer() -> None:
    made = outlines_of(drawn(np.zeros((20, 20), np.uint8)), RegionOptions())
    assert len(made) == 0
    assert len(shown(made, Size(20, 20)).layers["x polygons"].data) == 0


@pytest.mark.parametrize("count", [1, 500, 900])
def test_many_polygons_keep_their_order_and_their_colours(count: int) -> None:
    square = np.array([[0, 0], [0, 4], [4, 4], [4, 0], [0, 0]], float)
    rounder = np.concatenate([np.linspace(a, b, 12) for a, b in pairwise(square)])
    labels = np.arange(count) % 2 + 1
    vertices = tuple(rounder + number % 50 for number in range(count))
    outlines = Outlines((), vertices, labels, np.linspace(0, 1, count), np.arange(count))
    layer = shown(outlines, Size(64, 64)).layers["x polygons"]
    assert layer.visible
    assert layer.features["region"].tolist() == list(range(count))
    reds = [colour[0] for colour in WORDS.colours]
    told = (layer.edge_color[:, 0] * 255).round().astype(int).tolist()
    assert told == [reds[label - 1] for label in labels]
