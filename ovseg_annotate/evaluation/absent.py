"""How much of a picture is given to concepts that are asked for and are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ovseg_annotate.evaluation.confusion import Labels


@dataclass(frozen=True, slots=True)
class AbsentArea:
    """Pixel counts; add those of the pictures, then ask once."""

    pixels: int = 0  # of pictures in which some concept is absent
    given: int = 0  # of those, labelled with an absent concept

    @classmethod
    def of(
        cls, truth: Labels, suggestion: Labels, absent: Sequence[int], ignore: int | None = None
    ) -> AbsentArea:
        """Count one picture; `absent` are the labels that its truth does not have."""
        if not absent:
            return cls()
        counted = suggestion if ignore is None else suggestion[truth != ignore]
        return cls(int(counted.size), int(np.isin(counted, absent).sum()))

    def __add__(self, other: AbsentArea) -> AbsentArea:
        return AbsentArea(self.pixels + other.pixels, self.given + other.given)

    @property
    def share(self) -> float:
        """0 to 1; NaN when nothing absent was asked for."""
        return self.given / self.pixels if self.pixels else float("nan")
