from __future__ import annotations

import numpy as np
import pytest
import shapely
from drawn_masks import smooth_field

from ovseg_annotate import tracing
from ovseg_annotate.runs import components_of, runs_of
from ovseg_annotate.tracing import Vertices, traced


@pytest.mark.parametrize("vertices", ["middles", "corners"])
@pytest.mark.parametrize("batch_runs", [1, 40, 500])
def test_batches_of_any_size_give_the_same_shapes(
    vertices: Vertices, batch_runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    components = components_of(runs_of(smooth_field(5, (67, 50), concepts=3, sigma=2)))
    wanted = np.flatnonzero(components.labels)
    whole = traced(components, wanted, vertices)
    monkeypatch.setattr(tracing, "_BATCH_RUNS", batch_runs)
    batched = traced(components, wanted, vertices)
    assert len(batched) == len(wanted)
    assert shapely.equals_exact(whole, batched).all()


def test_shapes_come_in_the_order_of_the_components() -> None:
    labels = np.array([[1, 0, 2, 2], [0, 3, 3, 0]])
    components = components_of(runs_of(labels))
    shapes = traced(components, np.flatnonzero(components.labels), "corners")
    assert shapely.bounds(shapes).tolist() == [[0, 0, 1, 1], [2, 0, 4, 1], [1, 1, 3, 2]]


def test_pixels_that_touch_at_a_corner_are_kept_apart_by_middles() -> None:
    mask = np.array([[1, 0, 1], [1, 1, 0], [1, 1, 1]], np.bool_)
    components = components_of(runs_of(mask))
    shapes = traced(components, np.flatnonzero(components.labels), "middles")
    assert [shape.contains(shapely.Point(1.5, 1.5)) for shape in shapes] == [True, False]
    assert shapes[0].distance(shapes[1]) > 0.5


def test_a_pixel_enclosed_up_to_a_corner_is_a_hole_between_corners() -> None:
    mask = np.array([[1, 1, 0], [1, 0, 1], [1, 1, 1]], np.bool_)
    components = components_of(runs_of(mask))
    (shape,) = traced(components, np.flatnonzero(components.labels), "corners")
    assert shape.is_valid
    assert (shape.area, len(shape.interiors)) == (7, 1)


def test_neighbours_share_the_vertices_of_a_junction() -> None:
    labels = np.array([[1, 1, 1, 1], [2, 2, 3, 3]])
    upper, *_ = traced(components_of(runs_of(labels)), np.arange(3), "corners")
    assert (2.0, 1.0) in upper.exterior.coords
