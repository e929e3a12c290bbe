from __future__ import annotations

import numpy as np
import pytest
import shapely
from drawn_masks import small_labels, smooth_field, smooth_labels, some_examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovseg_annotate.coverage import coverage, simplified_coverage
from ovseg_annotate.geometry import Window
from ovseg_annotate.rasterise import filled
from ovseg_annotate.region_options import VertexBudget
from ovseg_annotate.runs import Components, components_of, runs_of
from ovseg_annotate.sieve import with_small_merged
from ovseg_annotate.simplify import vertex_counts
from ovseg_annotate.tracing import Shapes

ANY = VertexBudget()


def parts_of(labels: NDArray[np.uint8]) -> Components:
    return components_of(runs_of(labels))


def times_covered(shapes: Shapes, shape: tuple[int, int]) -> NDArray[np.int64]:
    box = Window(0, 0, *shape)
    return np.sum([filled(shapes[i : i + 1], box) for i in range(len(shapes))], axis=0)


@some_examples
@given(small_labels)
def test_faces_are_the_components_pixel_for_pixel(labels: NDArray[np.uint8]) -> None:
    components = parts_of(labels)
    faces = coverage(components)
    np.testing.assert_array_equal(shapely.area(faces), components.areas)
    assert shapely.is_valid(faces).all()
    assert shapely.coverage_is_valid(faces)
    assert (times_covered(faces, labels.shape) == 1).all()


@some_examples
@given(small_labels)
def test_faces_are_those_that_polygonizing_the_pixel_borders_gives(
    labels: NDArray[np.uint8],
) -> None:
    padded = np.pad(labels.astype(int), 1, constant_values=-1)
    level = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])[:, ::-1]
    upright = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])[:, ::-1]
    right, down = np.array((1, 0)), np.array((0, 1))
    borders = np.concatenate(
        (np.stack((level, level + right), 1), np.stack((upright, upright + down), 1))
    )
    oracle = shapely.get_parts(shapely.polygonize(shapely.linestrings(borders.astype(float))))
    faces = coverage(parts_of(labels))
    assert {_key(face) for face in faces} == {_key(face) for face in oracle}


def _key(face: shapely.Polygon) -> str:
    return shapely.normalize(shapely.simplify(face, 0)).wkt


@some_examples
@given(smooth_labels, st.sampled_from([0.5, 1.0, 2.0]))
def test_every_pixel_stays_covered_once_after_simplifying(
    labels: NDArray[np.uint8], tolerance: float
) -> None:
    result = simplified_coverage(parts_of(labels), tolerance, 0.0, ANY)
    assert shapely.coverage_is_valid(result.shapes)
    assert shapely.is_valid(result.shapes).all()
    assert (times_covered(result.shapes, labels.shape) == 1).all()
    assert shapely.area(result.shapes).sum() == pytest.approx(labels.size)


def blobs() -> Components:
    field = smooth_field(1, (120, 120), concepts=3, sigma=8)
    return with_small_merged(parts_of(field + 1), 30)


def test_simplifying_leaves_fewer_vertices() -> None:
    result = simplified_coverage(blobs(), 0.5, 0.0, ANY)
    assert result.vertices < result.vertices_before / 2
    assert result.iou.mean() > 0.97


def test_the_frame_of_the_picture_stays() -> None:
    labels = smooth_field(2, (60, 80), concepts=3, sigma=5)
    result = simplified_coverage(parts_of(labels), 8.0, 0.0, ANY)
    outline = shapely.union_all(result.shapes)
    assert outline.equals(shapely.box(0, 0, 80, 60))


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 4.0])
def test_no_labelled_face_falls_under_the_least_iou(tolerance: float) -> None:
    components = parts_of(smooth_field(1, (120, 120), concepts=3, sigma=5))
    result = simplified_coverage(components, tolerance, 0.98, ANY)
    assert result.iou[components.labels != 0].min() >= 0.98
    assert shapely.coverage_is_valid(result.shapes)
    assert (times_covered(result.shapes, (120, 120)) == 1).all()
    assert result.vertices < result.vertices_before


def test_a_face_that_may_not_change_keeps_its_shape_of_a_smaller_tolerance() -> None:
    result = simplified_coverage(blobs(), 4.0, 0.97, ANY)
    assert set(result.tolerances.tolist()) == {0.0, 0.5, 1.0, 2.0, 4.0}


def test_without_tolerance_every_vertex_stays() -> None:
    result = simplified_coverage(blobs(), 0.0, 0.0, ANY)
    assert result.vertices == result.vertices_before
    assert (result.iou == 1).all()


def test_a_budget_raises_the_one_tolerance_of_the_picture() -> None:
    components = blobs()
    budget = VertexBudget(per_polygon=40, total=250)
    result = simplified_coverage(components, 0.5, 0.99, budget)
    counted = vertex_counts(result.shapes[components.labels != 0])
    assert counted.max() <= 40
    assert 150 <= counted.sum() <= 250
    assert len(np.unique(result.tolerances)) == 1
    assert (times_covered(result.shapes, (120, 120)) == 1).all()


def test_a_budget_that_triangles_exceed_changes_nothing() -> None:
    result = simplified_coverage(blobs(), 0.5, 0.99, VertexBudget(total=4))
    assert result.vertices > 4
    assert result.vertices == simplified_coverage(blobs(), 0.5, 0.99, ANY).vertices
