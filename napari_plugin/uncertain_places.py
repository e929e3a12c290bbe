"""Where to look next in a plane: what is most in doubt there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ovseg_annotate.geometry import Window
    from ovseg_annotate.label_map import LabelMap
    from ovseg_annotate.learning_loop.uncertainty import Patch
    from ovseg_annotate.regions import Region

_PLACES = 50
_REGIONS = 200  # the least sure ones, of which the place of doubt is looked for


@dataclass(frozen=True, slots=True)
class Place:
    """The middle of a patch in doubt, in pixels of a layer, and how much it is in doubt."""

    row: float
    column: float
    size: int  # px, of the patch
    uncertainty: float  # 0 to 1, mean over the patch
    about: str  # for the person

    @property
    def sentence(self) -> str:
        return f"doubt {self.uncertainty:.2f} {self.about}"


def places_of(label_map: LabelMap, regions: Sequence[Region]) -> tuple[Place, ...]:
    """Patches of regions and patches between them, the most in doubt first; none overlaps."""
    from ovseg_annotate.learning_loop.uncertainty import (  # noqa: PLC0415  slow to import
        picture_uncertainty,
        pixel_uncertainty,
        ranked_regions,
    )

    doubt = pixel_uncertainty(label_map)
    unsure = sorted(regions, key=lambda region: region.margin or 0.0)[:_REGIONS]
    found = [
        *picture_uncertainty(label_map, doubt).patches,
        *(each.patch for each in ranked_regions(unsure, doubt)),
    ]
    chosen: list[Patch] = []
    for patch in sorted(found, key=lambda each: -each.uncertainty):
        if patch.uncertainty > 0 and not any(_overlap(patch.window, c.window) for c in chosen):
            chosen.append(patch)
    return tuple(_place(patch) for patch in chosen[:_PLACES])


def _place(patch: Patch) -> Place:
    window = patch.window
    names = [name or "nothing" for name in patch.concepts]
    return Place(
        row=window.top + (window.height - 1) / 2,
        column=window.left + (window.width - 1) / 2,
        size=max(window.height, window.width),
        uncertainty=patch.uncertainty,
        about=f"between {names[0]} and {names[1]}" if len(names) > 1 else f"in {names[0]}",
    )


def _overlap(one: Window, other: Window) -> bool:
    down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    return down > 0 and across > 0
