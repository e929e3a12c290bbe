"""Where a layer lies in the world, so that what is made from it lies there too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Placed(Protocol):
    """What every napari layer tells of its place."""

    ndim: int
    scale: Any
    translate: Any
    rotate: Any
    shear: Any
    affine: Any
    units: Any
    axis_labels: Any


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The place of a layer, all of its axes; rows and columns come last."""

    scale: NDArray[np.float64]  # (axes,)
    translate: NDArray[np.float64]  # (axes,)
    rotate: NDArray[np.float64]  # (axes, axes)
    shear: NDArray[np.float64]  # (axes, axes) unit upper triangular, or any matrix of the user's
    affine: NDArray[np.float64]  # (axes + 1, axes + 1)
    units: tuple[Any, ...]  # (axes,) of pint
    axis_labels: tuple[str, ...]  # (axes,)

    @classmethod
    def of(cls, layer: Placed) -> Frame:
        return cls(
            scale=np.array(layer.scale, np.float64),
            translate=np.array(layer.translate, np.float64),
            rotate=np.array(layer.rotate, np.float64),
            shear=_square(np.array(layer.shear, np.float64), layer.ndim),
            affine=np.array(layer.affine.affine_matrix, np.float64),
            units=tuple(layer.units),
            axis_labels=tuple(layer.axis_labels),
        )

    @property
    def axes(self) -> int:
        return len(self.scale)

    def without_first(self) -> Frame:
        """The place of one entry of the first axis; the first axis must not be turned."""
        return Frame(
            self.scale[1:],
            self.translate[1:],
            self.rotate[1:, 1:],
            self.shear[1:, 1:],
            self.affine[1:, 1:],
            self.units[1:],
            self.axis_labels[1:],
        )

    def spanning(self, axis: int, entries: int) -> Frame:
        """One entry along `axis` that lies over all `entries` of the source."""
        scale, translate = self.scale.copy(), self.translate.copy()
        # The middle of the one entry goes where the middle of all of them is.
        translate[axis] += scale[axis] * (entries - 1) / 2
        scale[axis] *= entries
        return Frame(
            scale, translate, self.rotate, self.shear, self.affine, self.units, self.axis_labels
        )

    def keywords(self) -> dict[str, Any]:
        """What `add_labels`, `add_shapes` and `add_image` take."""
        return {
            "scale": self.scale,
            "translate": self.translate,
            "rotate": self.rotate,
            "shear": self.shear,
            "affine": self.affine,
            "units": self.units,
            "axis_labels": self.axis_labels,
        }


def _square(shear: NDArray[np.float64], axes: int) -> NDArray[np.float64]:
    """Napari gives the upper triangle as a vector, or a whole matrix."""
    if shear.ndim == 2:
        return shear
    matrix = np.eye(axes)
    matrix[np.triu_indices(axes, 1)] = shear
    return matrix
