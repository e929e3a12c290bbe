"""Concepts at one cell look at one another by linear attention, with their words as a guide.

Formulas: "Transformers are RNNs" (Katharopoulos et al. 2020, section 3.2) as CAT-Seg (Cho et al.
2024, section 3.3) uses it. Concepts meet in two sums over all of them only, so any number can be
taken in chunks, and equal ones can be counted instead of computed. Tensors are (windows of the
picture, concepts, rows, columns, width).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.cost.guidance import guided
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes

_LEAST = 1e-6  # added to the denominator


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What concepts know of one another."""

    products: Tensor  # (windows, rows, columns, heads, head width, head width): keys by values
    keys: Tensor  # (windows, rows, columns, heads, head width)

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.products + other.products, self.keys + other.keys)

    def times(self, count: int) -> Sums:
        return Sums(self.products * count, self.keys * count)


class ConceptMixing(nn.Module):
    """Linear attention over concepts, then a multilayer perceptron."""

    def __init__(self, sizes: TrunkSizes, options: TrunkOptions) -> None:
        super().__init__()
        width, both = sizes.hidden, sizes.hidden + sizes.text_guide
        self.heads = sizes.heads
        self.pool, self.training_pool = options.pool, options.training_pool
        self.padded_to = options.padded_to
        if options.padded_to:
            self.pad_token = nn.Parameter(torch.randn(1, 1, width))
            self.pad_guide = nn.Parameter(torch.zeros(1, 1, sizes.text_guide))
        self.norm1 = nn.LayerNorm(width)
        self.queries = nn.Linear(both, width)
        self.keys = nn.Linear(both, width)
        self.values = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.rest = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width)
        )

    def forward(self, chunks: Iterable[Tensor], guide: Tensor) -> Iterator[Tensor]:
        """`guide` is (windows or 1, all concepts, width).

        All chunks are taken in before the first comes out; each is let go of when it has.
        """
        concepts = guide.shape[1]
        missing = self.padded_to - concepts
        sums = self._pad_sums().times(missing) if missing > 0 else None
        waiting: deque[tuple[Tensor, Tensor]] = deque()
        taken = 0
        for chunk in chunks:
            words = guide[:, taken : taken + chunk.shape[1], None, None]
            taken += chunk.shape[1]
            own = self._sums(self._pooled(chunk), words)
            sums = own if sums is None else sums + own
            waiting.append((chunk, words))
        if sums is None or taken != concepts:
            raise ValueError(f"a guide for {concepts} concepts and chunks of {taken}")
        while waiting:
            chunk, words = waiting.popleft()
            yield chunk + self._enlarged(self._mixed(self._pooled(chunk), words, sums), chunk)

    def _sums(self, chunk: Tensor, guide: Tensor) -> Sums:
        normed = self.norm1(chunk)
        keys = self._split(_positive(guided(self.keys, normed, guide)))
        values = self._split(self.values(normed))
        products = torch.einsum("bnyxhk,bnyxhv->byxhkv", keys, values)
        return Sums(products, keys.sum(dim=1))

    def _pad_sums(self) -> Sums:
        """Padding concepts are all equal, at every cell: one of them tells all."""
        return self._sums(self.pad_token[:, :, None, None], self.pad_guide[:, :, None, None])

    def _mixed(self, chunk: Tensor, guide: Tensor, sums: Sums) -> Tensor:
        queries = self._split(_positive(guided(self.queries, self.norm1(chunk), guide)))
        weighted = torch.einsum("bnyxhk,byxhkv->bnyxhv", queries, sums.products)
        weights = torch.einsum("bnyxhk,byxhk->bnyxh", queries, sums.keys)
        chunk = chunk + (weighted / (weights[..., None] + _LEAST)).flatten(4)
        mixed: Tensor = chunk + self.rest(self.norm2(chunk))
        return mixed

    def _split(self, projected: Tensor) -> Tensor:
        return projected.reshape(*projected.shape[:-1], self.heads, -1)

    def _pooled(self, chunk: Tensor) -> Tensor:
        side = self.training_pool if self.training else self.pool
        if side == 1:
            return chunk
        planes = chunk.flatten(0, 1).permute(0, 3, 1, 2)
        pooled = functional.avg_pool2d(planes, side, ceil_mode=True).permute(0, 2, 3, 1)
        return pooled.reshape(*chunk.shape[:2], *pooled.shape[1:])

    @staticmethod
    def _enlarged(pooled: Tensor, chunk: Tensor) -> Tensor:
        if pooled.shape == chunk.shape:
            return pooled
        planes = pooled.flatten(0, 1).permute(0, 3, 1, 2)
        enlarged = functional.interpolate(
            planes, chunk.shape[2:4], mode="bilinear", align_corners=True
        )
        return enlarged.permute(0, 2, 3, 1).view_as(chunk)


def _positive(values: Tensor) -> Tensor:
    return functional.elu(values) + 1
