"""How a picture is annotated: everything a person may set, with its default."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ovseg_annotate.errors import OptionError
from ovseg_annotate.refine.options import RefineOptions


@dataclass(frozen=True, slots=True)
class AnnotateOptions:
    """Read by `Session.annotate`; each field changes the answer and is part of provenance."""

    scale: str = "auto"  # auto, native, a short side in px (448), a factor (0.5x); a+b merges
    overlap: float | None = None  # of neighbouring windows, 0 to 0.9; None: the engine's own
    overview: float = 0.0  # weight of one extra view of the whole picture; 0: none
    contrast: str = "auto"  # auto, none, or phrases between commas that compete for pixels
    threshold: float | None = None  # minimum confidence 0 to 1; None: the engine's own
    refine: RefineOptions = field(default_factory=RefineOptions)
    superpixels: int = 0  # areas of even colour of about so many px decide together; 0: none

    def __post_init__(self) -> None:
        if self.overlap is not None and not 0.0 <= self.overlap <= 0.9:
            raise OptionError(f"overlap {self.overlap:g} is out of range; allowed: 0 to 0.9")
        if not 0.0 <= self.overview <= 1.0:
            raise OptionError(f"overview {self.overview:g} is out of range; allowed: 0 to 1")
        if self.threshold is not None and not 0.0 <= self.threshold <= 1.0:
            raise OptionError(f"threshold {self.threshold:g} is out of range; allowed: 0 to 1")
        if not (self.superpixels == 0 or 16 <= self.superpixels <= 10**6):
            raise OptionError(
                f"superpixels {self.superpixels} is out of range; allowed: 0, or 16 to 1000000 px"
            )
        working_scales(self.scale)

    def settled(self, threshold: float, overlap: float) -> AnnotateOptions:
        """The same with an engine's own values where none are given."""
        return replace(
            self,
            threshold=threshold if self.threshold is None else self.threshold,
            overlap=overlap if self.overlap is None else self.overlap,
        )


@dataclass(frozen=True, slots=True)
class WorkingScale:
    """The size at which the tower sees a picture: at most one of the two is set."""

    short_side: int | None = None  # px
    factor: float | None = None  # of the picture's own size

    def factor_for(self, short_side: int) -> float:
        """The factor for a picture of that short side."""
        if self.short_side is not None:
            return self.short_side / short_side
        return 1.0 if self.factor is None else self.factor


def working_scales(text: str) -> tuple[WorkingScale | None, ...]:
    """Read `AnnotateOptions.scale`; None stands for the engine's own choice."""
    return tuple(_working_scale(part.strip().casefold(), text) for part in text.split("+"))


def _working_scale(part: str, text: str) -> WorkingScale | None:
    if part == "auto":
        return None
    if part == "native":
        return WorkingScale(factor=1.0)
    try:
        if part.endswith("x"):
            factor = float(part[:-1])
            if 0.01 <= factor <= 16:
                return WorkingScale(factor=factor)
        elif 16 <= int(part) <= 65536:
            return WorkingScale(short_side=int(part))
    except ValueError:
        pass
    raise OptionError(
        f"scale {text!r} is not understood at {part!r}; write auto, native, a short side from 16 "
        "px such as 448, a factor from 0.01 to 16 such as 0.5x, or several joined by +"
    )
