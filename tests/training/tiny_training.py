"""A training so small that the loop can be tested in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ovseg_annotate.training.options import LoopOptions

FEW_STEPS = LoopOptions(
    steps=12, warmup_steps=2, learning_rate=0.05, precision="fp32", log_every=1, checkpoint_every=4
)


@dataclass(frozen=True, slots=True, eq=False)
class NumberBatch:
    inputs: Tensor  # (8, 3)
    wanted: Tensor  # (8, 1)


class NumberBatches:
    def __init__(self, on_batch: Callable[[int], None] = lambda number: None) -> None:
        self._on_batch = on_batch

    def batch(self, number: int) -> NumberBatch:
        self._on_batch(number)
        generator = torch.Generator().manual_seed(number)
        inputs = torch.randn(8, 3, generator=generator)
        return NumberBatch(inputs, inputs.sum(dim=1, keepdim=True))

    def seeds(self, number: int) -> tuple[int, ...]:
        return (number, 1000 + number)


class LineFitting:
    """Dropout makes every step depend on the random state, too."""

    def __init__(self, poison: float | None = None, dropout: float = 0.2) -> None:
        torch.manual_seed(7)
        self._module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(dropout), nn.Linear(4, 1))
        self._poison = poison

    @property
    def module(self) -> nn.Module:
        return self._module

    def losses(self, batch: NumberBatch) -> Mapping[str, Tensor]:
        error = (self._module(batch.inputs) - batch.wanted).square().mean()
        if self._poison is not None:
            error = error * self._poison
        return {"error": error, "size": 0.001 * self._module[0].weight.square().mean()}
