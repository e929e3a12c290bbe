"""What the shapes of a mask transformer's weights follow from."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ovseg_annotate.errors import OptionError

NORM_GROUPS = 32  # of the pixel decoder's normalisation, where the width allows


@dataclass(frozen=True, slots=True)
class MaskSizes:
    """The defaults are the published ones; `pixels` is the finest level's cell."""

    hidden: int = 256  # of queries, and of cells in both decoders
    heads: int = 8
    feedforward: int = 2048
    layers: int = 6  # of the decoder of queries
    queries: int = 64
    shared: int = 256  # width of the space that masks and texts share
    dropout: float = 0.1
    within_masks: bool = False  # a query looks only where its mask of the layer before is

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "dropout" and value is not True and value is not False and value < 1:
                raise OptionError(f"size {field.name!r}: got {value}; it must be at least 1")
        if self.hidden % self.heads or self.hidden % 4:
            raise OptionError(
                f"size 'hidden': got {self.hidden}; allowed: a multiple of 4 and of the "
                f"{self.heads} heads"
            )
        if not 0 <= self.dropout < 1:
            raise OptionError(f"dropout: got {self.dropout}; allowed: 0 up to, not with, 1")
