"""A look at the averaged weights in the middle of a run, which leaves no trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ovseg_annotate.training.optimisers import AveragedWeights


@contextmanager
def averaged_weights_in(module: nn.Module, averaged: AveragedWeights) -> Iterator[None]:
    """Evaluate the module with its averaged weights; then it is as it was.

    Weights, the mode of every part and torch's random state are put back.
    """
    own = {name: value.clone() for name, value in module.state_dict().items()}
    modes = [(part, part.training) for part in module.modules()]
    with torch.random.fork_rng(devices=_cuda_devices(module)):
        try:
            module.load_state_dict({**own, **averaged.state()})
            module.eval()
            yield
        finally:
            module.load_state_dict(own)
            for part, training in modes:
                part.training = training


def _cuda_devices(module: nn.Module) -> list[torch.device]:
    return sorted(
        {value.device for value in module.parameters() if value.device.type == "cuda"}, key=str
    )
