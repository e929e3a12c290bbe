"""No more than the editor can show: past some thousand points the page stops answering.

Outlines are simplified first, then small holes are filled in, and only then the smallest regions
are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from labelstudio_backend.suggest_options import SuggestOptions
from ovseg_annotate.geometry import Polygon, signed_area
from ovseg_annotate.polygons import VertexBudget, within_budget
from ovseg_annotate.region_options import RegionOptions
from ovseg_annotate.regions import Region

_BRIDGE_POINTS = 3  # that a hole adds to a keyhole ring besides its own
_LEAST_BUDGET = 4
_HOLES_GROW = 4  # the factor by which the smallest hole grows from try to try
_KEPT = 0.75  # the share of the regions that is tried next


@dataclass(frozen=True, slots=True, eq=False)
class ShownRegions:
    """Regions that the editor can show."""

    regions: tuple[Region, ...]
    left_out: int  # the smallest ones
    tolerance: float  # px, the largest by which an outline was simplified for this

    @property
    def note(self) -> str | None:
        """What a person should know; None: everything is shown as it was found."""
        if not self.left_out:
            return None
        return (
            f"{self.left_out} of {self.left_out + len(self.regions)} regions, the smallest, are "
            "left out to keep the editor quick; raise minimum_area, or regions_per_task and "
            "vertices_per_image"
        )


def within_limits(regions: Sequence[Region], times: int, options: SuggestOptions) -> ShownRegions:
    """Make the regions fit; `times` is how often each polygon is drawn, once a control."""
    kept = _largest(regions, options.regions_per_task)
    minimum_hole = float(options.minimum_hole)
    while True:
        tried = [_with_holes_from(region, minimum_hole) for region in kept]
        polygons = [polygon for region in tried for polygon in region.polygons]
        holes = [len(polygon.holes) for polygon in polygons]
        budget = _budget(holes, times, options.regions)
        if budget is not None:
            simpler = within_budget(polygons, budget)
            if simpler.reached:
                return ShownRegions(
                    tuple(_with_polygons(tried, simpler.polygons)),
                    left_out=len(regions) - len(kept),
                    tolerance=simpler.tolerance,
                )
        if not kept:
            return ShownRegions((), len(regions), tolerance=0.0)
        if any(holes):
            minimum_hole = max(minimum_hole, 1.0) * _HOLES_GROW
        else:
            kept = _largest(kept, int(len(kept) * _KEPT))


def _budget(holes: Sequence[int], times: int, limits: RegionOptions) -> VertexBudget | None:
    """What is left for outlines besides the bridges; None where nothing is."""
    total, alone = limits.vertices_per_image, limits.vertices_per_polygon
    if total is not None:
        total = total // max(times, 1) - _BRIDGE_POINTS * sum(holes)
    if alone is not None:
        alone -= _BRIDGE_POINTS * max(holes, default=0)
    if any(limit is not None and limit < _LEAST_BUDGET for limit in (total, alone)):
        return None
    return VertexBudget(alone, total)


def _largest(regions: Sequence[Region], count: int) -> list[Region]:
    """The largest regions, in the order they came in."""
    if len(regions) <= count:
        return list(regions)
    by_size = sorted(range(len(regions)), key=lambda number: -area_of(regions[number]))
    return [regions[number] for number in sorted(by_size[:count])]


def area_of(region: Region) -> float:
    """Pixels of its mask, or without one of its polygons."""
    if region.mask is not None:
        return region.mask.area
    return sum(polygon.area for polygon in region.polygons)


def _with_holes_from(region: Region, minimum: float) -> Region:
    """The region without polygon holes below a size; its mask stays exact."""
    if not any(polygon.holes for polygon in region.polygons):
        return region
    polygons = tuple(
        Polygon(
            polygon.outline,
            tuple(hole for hole in polygon.holes if abs(signed_area(hole)) >= minimum),
        )
        for polygon in region.polygons
    )
    return replace(region, polygons=polygons)


def _with_polygons(regions: Sequence[Region], polygons: Sequence[Polygon]) -> list[Region]:
    """Deal the polygons out to the regions they came from."""
    dealt, start = [], 0
    for region in regions:
        stop = start + len(region.polygons)
        dealt.append(replace(region, polygons=tuple(polygons[start:stop])))
        start = stop
    return dealt
