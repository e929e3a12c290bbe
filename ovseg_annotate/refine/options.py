"""Which refinement, in numbers. Imports no torch: the command line reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ovseg_annotate.errors import OptionError


@dataclass(frozen=True, slots=True)
class PamrSchedule:
    """How often, and over which neighbours, a pixel takes the mean of those that look alike."""

    iterations: int
    dilations: tuple[int, ...]  # px from the centre; eight neighbours each

    @property
    def halo(self) -> int:
        """How far away a pixel can still have an influence, in px."""
        return self.iterations * max(self.dilations)


# "snap" moves borders to edges of the picture and keeps what is right; "denoise" repairs poor
# maps and rounds good ones off.
_SCHEDULES = {"snap": PamrSchedule(3, (1, 2, 4)), "denoise": PamrSchedule(10, (8, 16))}


@dataclass(frozen=True, slots=True)
class RefineOptions:
    """How scores of the coarse grid become pixel-accurate."""

    method: Literal["none", "snap", "denoise"] = "snap"  # borders to edges; repair of poor maps
    every_concept: bool = False  # also refine the scores of concepts that cannot win

    def __post_init__(self) -> None:
        if self.method != "none" and self.method not in _SCHEDULES:
            raise OptionError(
                f"refine method {self.method!r} is not known; "
                f"allowed: none, {', '.join(_SCHEDULES)}"
            )

    @property
    def schedule(self) -> PamrSchedule | None:
        """The steps to take; None where scores are only enlarged."""
        return _SCHEDULES.get(self.method)

    @property
    def halo(self) -> int:
        """How many px around a strip must be given for the result of the whole picture."""
        return self.schedule.halo if self.schedule else 0
