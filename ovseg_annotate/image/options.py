"""How a picture is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ovseg_annotate.errors import OptionError


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """Which part of a file becomes the RGB picture, and how large a file may be."""

    page: int = 0  # plane of a stack, page of a document, frame of an animation
    channels: tuple[int, ...] | None = None  # 1 -> grey, 2 -> red and green, 3 -> RGB
    channel_axis: Literal["auto", "first", "last"] = "auto"  # for arrays and unlabelled stacks
    stretch: Literal["auto", "always", "never"] = "auto"  # auto: everything that is not 8 bit
    percentiles: tuple[float, float] = (0.5, 99.5)  # become 0 and 255 when stretched
    ground: Literal["white", "black", "ignore"] = "white"  # what shows where it is transparent
    maximum_pixels: int = 2**29  # 20 000 x 20 000 and some
    maximum_bytes: int = 2**33  # of the file

    def __post_init__(self) -> None:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise OptionError(
                f"percentiles: got {low:g} and {high:g}; "
                "expected two numbers from 0 to 100, the smaller one first"
            )
        if self.page < 0:
            raise OptionError(f"page: got {self.page}; pages are counted from 0")
        if self.channels is not None and not self._channels_are_usable(self.channels):
            raise OptionError(
                f"channels: got {self.channels}; expected one to three numbers counted from 0: "
                "one becomes grey, two red and green, three red, green and blue"
            )
        if min(self.maximum_pixels, self.maximum_bytes) < 1:
            raise OptionError("maximum_pixels and maximum_bytes must be at least 1")

    @staticmethod
    def _channels_are_usable(channels: tuple[int, ...]) -> bool:
        return 1 <= len(channels) <= 3 and min(channels) >= 0
