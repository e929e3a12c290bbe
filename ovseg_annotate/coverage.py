"""Gap-free polygons: the whole map is cut into faces, and neighbours share one border.

Borders are simplified together (Visvalingam-Whyatt, `shapely.coverage_simplify`), so every pixel
stays covered exactly once. The frame of the picture stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from ovseg_annotate.label_map import UNLABELLED
from ovseg_annotate.rasterise import Footprints
from ovseg_annotate.region_options import VertexBudget
from ovseg_annotate.runs import Components
from ovseg_annotate.simplify import SimplifiedShapes, fits, vertex_counts
from ovseg_annotate.tracing import Shapes, traced

# A tolerance there is the square root of the area of a triangle; twice the distance leaves about
# as many vertices as simplifying each ring by that distance.
_AREA_PER_DISTANCE = 2.0
_FINEST_TOLERANCE = 0.3  # px; stairs of single pixels are triangles of half a pixel
_BISECTIONS = 8


def coverage(components: Components) -> Shapes:
    """The faces of the map, one for each component, along the edges of its pixels."""
    return traced(components, np.arange(len(components)), "corners")


def simplified_coverage(
    components: Components, tolerance: float, minimum_iou: float, budget: VertexBudget
) -> SimplifiedShapes:
    """Simplify the borders of the map by `tolerance` (px); one shape for each component.

    Unlabelled components take part, so that borders with them stay in place; drop them after. A
    labelled component that would fall under the least IoU keeps its borders of one step before.
    The budget goes before the least IoU: to meet it, all borders get one tolerance. A budget that
    even triangles exceed changes nothing.
    """
    faces = _Faces.of(components)
    labelled = components.labels != UNLABELLED
    result = _stepwise(faces, tolerance, np.where(labelled, minimum_iou, 0.0))
    return _within(faces, result, budget, labelled)


@dataclass(frozen=True, slots=True, eq=False)
class _Faces:
    """The faces of a map as they are, with their pixels."""

    shapes: Shapes
    footprints: Footprints

    @classmethod
    def of(cls, components: Components) -> _Faces:
        shapes = coverage(components)
        return cls(shapes, Footprints.of(shapes))

    def __len__(self) -> int:
        return len(self.shapes)


def _stepwise(
    faces: _Faces, tolerance: float, minimum_iou: NDArray[np.float64]
) -> SimplifiedShapes:
    """Simplify step by step and leave out the faces that the next step would harm.

    Borders with a face that is left out are the outer boundary of the rest, which stays as it
    is: the faces still fit together.
    """
    shapes, iou, applied = faces.shapes.copy(), np.ones(len(faces)), np.zeros(len(faces))
    free = np.arange(len(faces))
    for step in _steps(tolerance):
        while len(free):
            reach = step * _AREA_PER_DISTANCE
            trial = shapely.coverage_simplify(shapes[free], reach, simplify_boundary=False)
            agree = faces.footprints.agreement(free, trial)
            harmed = agree < minimum_iou[free]
            if not harmed.any():
                shapes[free], iou[free], applied[free] = trial, agree, step
                break
            free = free[~harmed]
    return SimplifiedShapes(shapes, iou, applied, int(vertex_counts(faces.shapes).sum()))


def _steps(tolerance: float) -> list[float]:
    """The tolerance, after its halves that can change anything."""
    steps = [tolerance] if tolerance > 0 else []
    while steps and steps[0] / 2 >= _FINEST_TOLERANCE:
        steps.insert(0, steps[0] / 2)
    return steps


def _within(
    faces: _Faces, result: SimplifiedShapes, budget: VertexBudget, counted: NDArray[np.bool_]
) -> SimplifiedShapes:
    """Bisect one tolerance of the whole picture so that the budget is met, if it can be."""
    if fits(result.shapes[counted], budget):
        return result
    largest = float(np.ptp(shapely.total_bounds(faces.shapes)))
    anything = np.zeros(len(faces))
    low = float(result.tolerances.max())
    high = max(low, 0.5)
    while not fits((best := _stepwise(faces, high, anything)).shapes[counted], budget):
        if high > largest:
            return result
        low, high = high, 2 * high
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        trial = _stepwise(faces, middle, anything)
        if fits(trial.shapes[counted], budget):
            best, high = trial, middle
        else:
            low = middle
    return best
