"""What fine-tuning changed in the trained head of an engine. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Names of arrays in files begin with it, so that they never meet those of the rest of a lesson.
_PREFIX = "head."


@dataclass(frozen=True, slots=True, eq=False)
class TunedHead:
    """Numbers that are added to the weights that the head came with, tensor by tensor.

    Half precision is enough for a difference: weights that came in half precision are told to one
    part in 2000, and what a short training adds to them is a small share of that.
    """

    digest: str  # names what it was learnt from, and with what
    added: Mapping[str, NDArray[np.float16]]  # by name of the tensor; the others stay

    def __post_init__(self) -> None:
        if not all(np.isfinite(each).all() for each in self.added.values()):
            raise ValueError("a tuned head needs finite numbers")

    @property
    def arrays(self) -> dict[str, NDArray[np.float16]]:
        """By their names in a file."""
        return {f"{_PREFIX}{name}": self.added[name] for name in sorted(self.added)}

    @classmethod
    def among(cls, digest: str, arrays: Mapping[str, NDArray[np.generic]]) -> TunedHead | None:
        """What `arrays` gave, out of all arrays of a file; None: there is no digest."""
        own = {name: each for name, each in arrays.items() if name.startswith(_PREFIX)}
        if not digest and not own:
            return None
        if not digest or not all(each.dtype == np.float16 for each in own.values()):
            raise ValueError("a tuned head needs a digest and tensors in half precision")
        return cls(
            digest,
            {name.removeprefix(_PREFIX): each.astype(np.float16) for name, each in own.items()},
        )
