"""What FGAseg adds to the trunk, and what of it can be switched off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.errors import OptionError

# How the global and the local pseudo-mask become one: a layer on both, or their sum.
FusionRule: TypeAlias = Literal["cat", "add"]
# Of the fusing layers. "trunk": the local pseudo-mask counts for nothing until it is learnt, so
# that the head starts as the trunk does; a sum has no layer and cannot. "random": as published.
FusionStart: TypeAlias = Literal["trunk", "random"]

_SIDES = (0, 1, 3, 5)
_SIZES, _TRUNK = TrunkSizes(), TrunkOptions()


@dataclass(frozen=True, slots=True)
class FgasegOptions:
    """Beside the starts, the defaults are the published ones."""

    sizes: TrunkSizes = _SIZES
    trunk: TrunkOptions = _TRUNK
    text_layers: int = 1  # in which words look at the cells; 0: words stay as they are
    text_heads: int = 8
    text_share: float = 0.0  # of what words saw, at first; published 0.1
    local_side: int = 3  # of the kernels that words become, in cells; 0: no local pseudo-mask
    local_softmax: bool = True  # the weights of each channel of a kernel add up to 1
    fusion: FusionRule = "cat"
    start: FusionStart = "trunk"
    injection: bool = True  # the decoder sees the local pseudo-mask again, twice
    auxiliary: bool = False  # heads in the middle of the way, which `fast_top` needs
    fast_top: int = 0  # concepts of a cell that each of them lets on; 0: all; published 16
    align_weight: float = 0.02  # of the alignment loss; 0: none
    auxiliary_weight: float = 0.2  # of the first auxiliary loss; the others count in full

    def __post_init__(self) -> None:
        for name, least in (("text_layers", 0), ("text_heads", 1), ("fast_top", 0)):
            value = getattr(self, name)
            if value < least:
                raise OptionError(f"option {name!r}: got {value}; allowed: {least} or more")
        for name in ("align_weight", "auxiliary_weight"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise OptionError(f"option {name!r}: got {value:g}; allowed: 0 or more")
        if self.local_side not in _SIDES:
            allowed = ", ".join(map(str, _SIDES))
            raise OptionError(f"option 'local_side': got {self.local_side}; allowed: {allowed}")
        if self.fast_top and not self.auxiliary:
            raise OptionError(
                f"option 'fast_top': got {self.fast_top} for weights without auxiliary heads; "
                "allowed: 0, or weights that were trained with auxiliary = true"
            )
        self._check_sizes()

    def _check_sizes(self) -> None:
        if self.sizes.phrases != 1:
            raise OptionError(
                f"size 'phrases': got {self.sizes.phrases}; allowed: 1, because every concept "
                "becomes one kernel; average its phrases into one vector"
            )
        if self.text_layers and self.sizes.shared % self.text_heads:
            raise OptionError(
                f"option 'text_heads': got {self.text_heads}; allowed: a divisor of the tower's "
                f"width {self.sizes.shared}"
            )
