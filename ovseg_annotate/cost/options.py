"""What a trunk is made of, and what can be switched off in it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ovseg_annotate.backbones.taps import CellPath
from ovseg_annotate.errors import OptionError

NORM_GROUP = 16  # channels a group of the decoder's normalisation


@dataclass(frozen=True, slots=True)
class TrunkSizes:
    """What the shapes of the weights follow from; the defaults are the published ones."""

    shared: int = 512  # width of the space that text and cells share
    tower: int = 768  # width of the tower's own tokens
    phrases: int = 1  # of every concept: channels of the cost volume
    hidden: int = 128
    heads: int = 4
    window: int = 12  # largest side of an attention window, in cells
    visual_guide: int = 128
    text_guide: int = 128
    taps: tuple[int, int] = (256, 128)  # widths of the enlarged taps: twice, four times
    decoder: tuple[int, int] = (64, 32)
    decoder_guides: tuple[int, int] = (32, 16)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if min(value if isinstance(value, tuple) else (value,)) < 1:
                raise OptionError(f"size {field.name!r}: got {value}; allowed: 1 or more")
        if self.hidden % self.heads:
            raise OptionError(
                f"size 'hidden': got {self.hidden}; allowed: a multiple of the {self.heads} heads"
            )
        for width in self.decoder:
            if width % max(width // NORM_GROUP, 1):
                raise OptionError(
                    f"size 'decoder': got {width}; allowed: a multiple of {NORM_GROUP}, or less"
                )
        widths = (self.hidden, self.decoder[0])
        if any(guide >= width for guide, width in zip(self.decoder_guides, widths, strict=True)):
            raise OptionError(
                f"size 'decoder_guides': got {self.decoder_guides}; allowed: less than the widths "
                f"{widths} that they join"
            )


@dataclass(frozen=True, slots=True)
class TrunkOptions:
    """What can be switched in a trunk; the defaults are the published ones."""

    last: CellPath = "values_on_class"  # of cells in the tower: for those who encode
    layers: int = 2  # of aggregation
    spatial: bool = True  # cells of one concept look at one another
    mixing: bool = True  # concepts at one cell look at one another
    decoder_guidance: bool = True  # the decoder sees the tower's middle layers
    pool: int = 1  # cells, both ways, that are averaged before concepts are mixed
    training_pool: int = 2  # the same in training
    padded_to: int = 256  # concepts the mixing is told of at least; 0: as many as there are
    keep: int = 256  # concepts that are scored, those with the highest peak; 0: all
    on_cosines: bool = False  # logits are a correction of the plain cosines: for short trainings
    cells_at_once: int = 8_192  # worked on together; bounds memory and changes no answer

    def __post_init__(self) -> None:
        least = {"layers": 0, "padded_to": 0, "keep": 0}
        for name in (*least, "pool", "training_pool", "cells_at_once"):
            value = getattr(self, name)
            if value < least.get(name, 1):
                raise OptionError(
                    f"option {name!r}: got {value}; allowed: {least.get(name, 1)} or more"
                )
