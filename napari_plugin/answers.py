"""What passes between a dock and what it learns: answers of a person in, news of learning out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_plugin.drafts import Mask
    from napari_plugin.layer_data import Labels
    from napari_plugin.pictures import Plane
    from ovseg_annotate.pointing.marks import Mark


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """A plane as it stands beside what was proposed; arrays are (height, width)."""

    labels: Labels
    persons: Mask  # corrected or accepted: nothing else is ever learnt from
    proposed: Labels
    version: str  # digest of the provenance of the proposal


@dataclass(frozen=True, slots=True, eq=False)
class PlaneAnswer:
    """Everything a person said about one plane; it replaces what they said before."""

    plane: Plane
    marks: tuple[Mark, ...] = ()
    painted: Painted | None = None  # None: nothing is corrected or accepted

    def __bool__(self) -> bool:
        return bool(self.marks) or self.painted is not None


@dataclass(frozen=True, slots=True)
class VersionOffer:
    """One version that a person can choose."""

    name: str  # "" for the model as it came
    text: str
    tooltip: str


@dataclass(frozen=True, slots=True)
class Learnt:
    """How learning stands."""

    sentence: str  # for the person
    versions: tuple[VersionOffer, ...]  # the latest first
    in_service: str  # name of one of them; "" for the model as it came
