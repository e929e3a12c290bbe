"""Optimisers, the learning-rate curve and the running average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from ovseg_annotate.errors import OptionError
from ovseg_annotate.training.options import LoopOptions

TOWER_HALVES = ("image.", "text.")  # how the parameters of a tower under a head are named
SHARE = "share"  # of the learning rate, that a group of parameters has
_BETAS = (0.9, 0.98)
_EMA_WARMUP = 10  # steps: a young average follows the weights closely


def make_optimisers(module: nn.Module, options: LoopOptions) -> tuple[Optimizer, ...]:
    """AdamW for everything, or Muon for the matrices inside blocks and AdamW for the rest."""
    trained = [(name, value) for name, value in module.named_parameters() if value.requires_grad]
    if options.optimiser == "adamw":
        return (_adamw(trained, options),)
    if not hasattr(torch.optim, "Muon"):
        raise OptionError(
            f"optimiser 'muon' needs torch 2.9 or newer, this is {torch.__version__}; "
            "choose 'adamw' or update torch"
        )
    matrices = [value for name, value in trained if value.ndim == 2 and ".resblocks." in name]
    chosen = {id(value) for value in matrices}
    others = [(name, value) for name, value in trained if id(value) not in chosen]
    muon = torch.optim.Muon(
        matrices,
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        # Updates get the size that AdamW's have, so both share one learning rate.
        adjust_lr_fn="match_rms_adamw",
    )
    return (muon, _adamw(others, options))


def _adamw(named: list[tuple[str, nn.Parameter]], options: LoopOptions) -> Optimizer:
    # A pretrained tower under a head learns slowly, and what of it does not learn must not decay.
    # Gains, offsets and the temperature must be free to stay where they are, too.
    kinds = [
        {
            "params": [
                value
                for name, value in named
                if name.startswith(TOWER_HALVES) == slow and (value.ndim > 1) == decays
            ],
            "weight_decay": options.weight_decay if decays and not slow else 0.0,
            SHARE: options.tower_share if slow else 1.0,
        }
        for slow in (False, True)
        for decays in (True, False)
    ]
    groups = [kind for kind in kinds if kind["params"]]
    return AdamW(groups, lr=options.learning_rate, betas=_BETAS)


def learning_rate_at(step: int, options: LoopOptions) -> float:
    """Linear warm-up, then half a cosine down to the final share."""
    if step < options.warmup_steps:
        return options.learning_rate * (step + 1) / options.warmup_steps
    after = max(options.steps - options.warmup_steps, 1)
    progress = min((step - options.warmup_steps) / after, 1.0)
    fall = 0.5 * (1 + math.cos(math.pi * progress))
    return options.learning_rate * (options.final_share + (1 - options.final_share) * fall)


class AveragedWeights:
    """An exponential running average of a module's weights, in float32."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._decay = decay
        self._values = {name: value.detach().clone() for name, value in _weights(module)}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        keep = min(self._decay, (1 + step) / (_EMA_WARMUP + step))
        for name, value in _weights(module):
            self._values[name].lerp_(value.detach(), 1 - keep)

    def state(self) -> dict[str, Tensor]:
        return self._values

    def load(self, state: dict[str, Tensor]) -> None:
        for name, value in self._values.items():
            value.copy_(state[name])


def _weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            yield name, value
