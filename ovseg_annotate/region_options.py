"""How a label map becomes regions and polygons, as a person chooses it. All sizes in pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ovseg_annotate.errors import OptionError
from ovseg_annotate.options import option_types


def _check_choice(options: Any, name: str) -> None:
    allowed, given = get_args(option_types(type(options))[name]), getattr(options, name)
    if given not in allowed:
        raise OptionError(f"{name}: got {given!r}; allowed: {', '.join(allowed)}")


@dataclass(frozen=True, slots=True)
class VertexBudget:
    """The most vertices, holes included; None for any number."""

    per_polygon: int | None = None
    total: int | None = None

    def __post_init__(self) -> None:
        for limit in (self.per_polygon, self.total):
            if limit is not None and limit < 4:
                raise OptionError(
                    f"vertex budget: got {limit}; allowed: 4 or more, or none for any number"
                )


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """When two parts of a component are two objects."""

    by: Literal["shape", "score"] = "shape"  # a neck in the outline, or a valley of confidence
    neck: float = 2.0  # px by which the neck's half-width stays under that of both objects
    valley: float = 0.1  # 0 to 1 by which the confidence falls between both objects
    smoothing: float = 2.0  # px, sigma of the blur of the confidence; 0 for none

    def __post_init__(self) -> None:
        _check_choice(self, "by")
        if not 1 <= self.neck < math.inf:
            raise OptionError(
                f"split neck: got {self.neck:g} px; allowed: 1 or more, "
                "because the steps of single pixels look like necks"
            )
        if not 0 < self.valley <= 1:
            raise OptionError(f"split valley: got {self.valley:g}; allowed: above 0, up to 1")
        if not 0 <= self.smoothing < math.inf:
            raise OptionError(f"split smoothing: got {self.smoothing:g} px; allowed: 0 or more")


@dataclass(frozen=True, slots=True)
class RegionOptions:
    """What is a region, and how closely its polygons follow it."""

    minimum_area: int = 16  # px; smaller regions are removed; 1 keeps all
    small: Literal["drop", "merge"] = "drop"  # leave unlabelled, or give to a neighbour
    instances: Literal["components", "concept", "split"] = "components"  # what one region is
    split: SplitOptions = SplitOptions()  # for instances="split"
    polygons: Literal["region", "gap-free", "none"] = "region"  # each alone; shared borders
    tolerance: float = 0.5  # px by which an outline may be off; 0 keeps every step
    minimum_iou: float = 0.99  # 0 to 1; less tolerance where a region would lose more
    vertices_per_polygon: int | None = None  # goes before minimum_iou; None: any number
    vertices_per_image: int | None = None  # likewise, for all polygons of a picture together

    def __post_init__(self) -> None:
        for name in ("small", "instances", "polygons"):
            _check_choice(self, name)
        if self.minimum_area < 0:
            raise OptionError(f"minimum area: got {self.minimum_area} px; allowed: 0 or more")
        if not 0 <= self.tolerance < math.inf:
            raise OptionError(f"tolerance: got {self.tolerance:g} px; allowed: 0 or more")
        if not 0 <= self.minimum_iou <= 1:
            raise OptionError(f"minimum IoU: got {self.minimum_iou:g}; allowed: 0 to 1")
        _ = self.budget  # refuses numbers of vertices that no polygon can have

    @property
    def budget(self) -> VertexBudget:
        return VertexBudget(self.vertices_per_polygon, self.vertices_per_image)
