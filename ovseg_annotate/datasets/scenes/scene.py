"""What a scene is, and the rules that one is drawn by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size

Pairs: TypeAlias = Literal["seen", "unseen", "any"]

SMALLEST_SIDE = 32
# One picture's worth of objects per this many pixels, so that 96 and 128 px get the same.
_USUAL_AREA = 112 * 112
_USUAL_SIZE = Size(height=96, width=96)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a region is, or what a phrase says of one; None = does not apply, or not said."""

    colour: str | None = None
    shape: str | None = None
    texture: str | None = None
    thing: str | None = None  # a material, a microscopic thing, a ground, or "background"


@dataclass(frozen=True, slots=True)
class SceneRegion:
    label: int  # its value in Scene.instances
    attributes: Attributes
    name: str  # the concept it counts for: "red circle", "grass", "blue background", "nucleus"


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and the whole truth about it: no pixel is without a region."""

    pixels: NDArray[np.uint8]  # (height, width, 3)
    instances: NDArray[np.uint16]  # (height, width), 1..len(regions); every label has pixels
    regions: tuple[SceneRegion, ...]  # regions[k].label == k + 1; grounds come first
    caption: str


class SceneStyle(StrEnum):
    MIXED = "mixed"  # what a training sees: every other style, by the shares in the rules
    EASY = "easy"  # one to three separate objects
    DISTRACTORS = "distractors"  # others have the colour or the shape of the first object
    CROWDED = "crowded"  # four to nine objects that touch and cover one another
    MICROSCOPY = "microscopy"


@dataclass(frozen=True, slots=True)
class SceneRules:
    """Object counts grow with the picture's area; object sizes only with object_scale."""

    style: SceneStyle = SceneStyle.MIXED
    size: Size = _USUAL_SIZE
    pairs: Pairs = "seen"  # which colour-shape pairs may occur, see pairs.is_unseen
    object_scale: float = 1.0
    easy_share: float = 0.6  # of the MIXED pictures that are not microscopy
    microscopy_share: float = 0.22  # of the MIXED pictures
    grey_share: float = 0.1  # pictures without colour, of those that are not microscopy

    def __post_init__(self) -> None:
        if min(self.size.height, self.size.width) < SMALLEST_SIDE:
            raise OptionError(
                f"a scene of {self.size} is too small; each side needs {SMALLEST_SIDE} px"
            )
        if self.pairs not in get_args(Pairs):
            raise OptionError(f"pairs: got {self.pairs!r}; allowed: {', '.join(get_args(Pairs))}")
        if not 0.25 <= self.object_scale <= 16:
            raise OptionError(f"object_scale: got {self.object_scale}; allowed: 0.25 to 16")
        for name in ("easy_share", "microscopy_share", "grey_share"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise OptionError(f"{name}: got {share}; allowed: 0 to 1")

    @property
    def pictures_worth(self) -> int:
        """How many small pictures' objects this one has room for."""
        return max(1, round(self.size.area / _USUAL_AREA / self.object_scale**2))


def semantic_map(scene: Scene, concepts: Sequence[str]) -> NDArray[np.uint8]:
    """The exact answer for these concepts: k + 1 where concepts[k] is, 0 elsewhere."""
    if len(concepts) > 255:
        raise OptionError(f"a semantic map holds at most 255 concepts, got {len(concepts)}")
    label_of = {name: label for label, name in enumerate(concepts, start=1)}
    table = np.zeros(len(scene.regions) + 1, np.uint8)
    for region in scene.regions:
        table[region.label] = label_of.get(region.name, 0)
    answer: NDArray[np.uint8] = table[scene.instances]
    return answer
