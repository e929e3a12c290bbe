"""Words as small kernels that are moved over the cells: what a cell's neighbours say of a concept.

Formulas: the local alignment of "FGAseg" (Li et al. 2025, category information supplementation),
and the projector of "CRIS" (Wang et al. 2022, section 3.4), from which it comes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import normalize


class TextKernels(nn.Module):
    """A kernel and a shift for every phrase."""

    def __init__(self, width: int, channels: int, side: int, *, softmax: bool) -> None:
        super().__init__()
        self.channels, self.side, self.softmax = channels, side, softmax
        self.project = nn.Linear(width, channels * side**2 + 1)

    def forward(self, planes: Tensor, text: Tensor) -> Tensor:
        """(windows, channels, rows, columns), (windows, concepts, phrases, width) -> maps.

        They are (windows, phrases, concepts, rows, columns), like cosines. With `softmax` the
        weights of each channel add up to 1: a channel can be looked at elsewhere, but not more.
        """
        windows, concepts, phrases, _ = text.shape
        made = self.project(text.transpose(1, 2).flatten(1, 2))
        kernels, shifts = made[..., :-1], made[..., -1]
        kernels = kernels.unflatten(2, (self.channels, self.side**2))
        if self.softmax:
            kernels = kernels.softmax(dim=3)
        kernels = kernels.unflatten(3, (self.side, self.side))
        # One after another: as groups of one convolution they take twice as long on a CPU.
        maps = torch.cat(
            [
                functional.conv2d(plane[None], kernel, shift, padding=self.side // 2)
                for plane, kernel, shift in zip(planes, kernels, shifts, strict=True)
            ]
        )
        return maps.view(windows, phrases, concepts, *planes.shape[2:])


class LocalAlignment(nn.Module):
    """The local counterpart of the cosines."""

    def __init__(self, width: int, side: int, *, softmax: bool) -> None:
        super().__init__()
        self.kernels = TextKernels(width, width, side, softmax=softmax)

    def forward(self, cells: Tensor, text: Tensor) -> Tensor:
        """Cells and text of any length; the maps are as `TextKernels` gives them."""
        maps: Tensor = self.kernels(normalize(cells, dim=1), normalize(text, dim=3))
        return maps
