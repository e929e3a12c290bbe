"""What comes back from a session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import OvsegError
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.refine.region_votes import mode_vote, region_map_of
from ovseg_annotate.regions import AnnotatedImage, Region, RegionOptions, regions_of


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """The suggestion for one picture."""

    image_key: str  # of the picture it belongs to
    label_map: LabelMap
    provenance: Provenance
    warnings: tuple[str, ...] = ()  # for the person, each a whole sentence

    def voted(self, masks: Iterable[NDArray[np.bool_]]) -> Annotation:
        """The same with one label inside each mask, the most frequent one there.

        Masks are (height, width) of the whole picture, from a person or from any other tool.
        """
        region_map = region_map_of(masks, self.label_map.size)
        return replace(self, label_map=mode_vote(self.label_map, region_map))

    def regions(self, options: RegionOptions | None = None) -> tuple[Region, ...]:
        """The pieces to look at, correct and export."""
        return regions_of(self.label_map, options or RegionOptions())

    def annotated_image(self, name: str, options: RegionOptions | None = None) -> AnnotatedImage:
        """The regions under the picture's name, ready for any format."""
        return AnnotatedImage(
            name=name,
            size=self.label_map.size,
            regions=self.regions(options),
            vocabulary=self.label_map.vocabulary,
            provenance=self.provenance,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of one picture of many: an annotation, or the reason why there is none."""

    path: Path
    annotation: Annotation | None
    error: OvsegError | None
