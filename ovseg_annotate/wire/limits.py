"""How much a question may ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ovseg_annotate.image.options import ReadingOptions


@dataclass(frozen=True, slots=True)
class Limits:
    """What a question may ask for, as the one who answers it sets it."""

    pixels: int
    bytes: int

    def of(self, reading: ReadingOptions) -> ReadingOptions:
        """The same within the limits."""
        return replace(
            reading,
            maximum_pixels=min(reading.maximum_pixels, self.pixels),
            maximum_bytes=min(reading.maximum_bytes, self.bytes),
        )
