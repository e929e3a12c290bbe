"""What a training run can be told, whatever it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ovseg_annotate.errors import OptionError

Optimiser: TypeAlias = Literal["adamw", "muon"]


@dataclass(frozen=True, slots=True)
class LoopOptions:
    steps: int = 10_000  # optimiser steps; also the length of the cosine
    seed: int = 0
    optimiser: Optimiser = "adamw"  # muon: for the matrices of the blocks, adamw for the rest
    learning_rate: float = 1e-3
    tower_share: float = 0.01  # of the learning rate, for a tower that is tuned under a head
    weight_decay: float = 0.05
    warmup_steps: int = 200
    final_share: float = 0.0  # of the learning rate, at the end of the cosine
    clip_norm: float = 1.0
    accumulate: int = 1  # batches an optimiser step
    precision: Literal["bf16", "fp32"] = "bf16"
    ema_decay: float = 0.999  # of the averaged weights that are exported
    workers: int = 0  # processes that make batches; 0: the training process makes them
    log_every: int = 10  # steps
    checkpoint_every: int = 250  # steps
    score_every: int = 0  # steps; 0: the score is never measured

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name}: got {getattr(self, name)}; it must be at least 1")
        for name in ("workers", "warmup_steps", "score_every"):
            if getattr(self, name) < 0:
                raise OptionError(f"{name}: got {getattr(self, name)}; it must not be negative")
        if not 0 < self.learning_rate <= 1:
            raise OptionError(f"learning_rate: got {self.learning_rate}; allowed: above 0, up to 1")
        if not 0 <= self.ema_decay < 1:
            raise OptionError(f"ema_decay: got {self.ema_decay}; allowed: 0 up to, not with, 1")
        if self.clip_norm <= 0:
            raise OptionError(f"clip_norm: got {self.clip_norm}; it must be above 0")
