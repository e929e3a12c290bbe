"""Words look at the cells of a window before they are compared with them.

Formula: the pixel-text transformer of "FGAseg" (Li et al. 2025, pixel-level alignment) with the
sine positions of "End-to-End Object Detection with Transformers" (Carion et al. 2020, appendix
A.4). Concepts do not look at one another, so any number of them gives the same answer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_SLOWEST = 10_000.0  # ratio of the longest wavelength to the shortest
_LEAST = 1e-6


class PixelTextLayer(nn.Module):
    """Attention from words to cells, one layer, a residual and a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.merge = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, places: Tensor, cells: Tensor) -> Tensor:
        """(windows, words, width); cells with and without positions, (windows, cells, width)."""
        attended, _ = self.attention(words, places, cells, need_weights=False)
        changed: Tensor = self.norm(words + self.merge(attended))
        return changed


class PixelTextTransformer(nn.Module):
    """Words of a window: as they were, and a learnt share of what they saw."""

    def __init__(self, width: int, heads: int, layers: int, share: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PixelTextLayer(width, heads) for _ in range(layers))
        self.share = nn.Parameter(torch.full((width,), share))

    def forward(self, cells: Tensor, text: Tensor) -> Tensor:
        """(windows, width, rows, columns), (windows or 1, concepts, phrases, width) -> text.

        The text comes out for each window, and with a share of nothing exactly as it went in.
        """
        windows, width, rows, columns = cells.shape
        values = cells.flatten(2).transpose(1, 2)
        places = values + sine_positions(width, rows, columns, cells.device).flatten(1).T
        lengths = text.norm(dim=3, keepdim=True).clamp(min=_LEAST)
        words = (text / lengths).expand(windows, -1, -1, -1).flatten(1, 2)
        for layer in self.layers:
            words = layer(words, places, values)
        seen = words.view(windows, *text.shape[1:])
        changed: Tensor = text + lengths * self.share * seen
        return changed


def sine_positions(width: int, rows: int, columns: int, device: torch.device) -> Tensor:
    """(width, rows, columns): waves down in the first half of the width, across in the second."""
    half = width // 2
    numbers = torch.arange(half, device=device)
    frequencies = _SLOWEST ** -(2 * (numbers // 2) / half)
    down, across = (_waves(length, frequencies).T for length in (rows, columns))  # (half, length)
    return torch.cat(
        [down[:, :, None].expand(-1, -1, columns), across[:, None, :].expand(-1, rows, -1)]
    )


def _waves(length: int, frequencies: Tensor) -> Tensor:
    """(length, frequencies): sines at even places, cosines at odd ones; a side is one turn."""
    places = torch.arange(1, length + 1, device=frequencies.device)
    angles = (2 * math.pi * places / (length + _LEAST))[:, None] * frequencies
    even = torch.arange(len(frequencies), device=frequencies.device) % 2 == 0
    waves: Tensor = torch.where(even, angles.sin(), angles.cos())
    return waves
