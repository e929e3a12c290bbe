"""The weights of a tuned head, as the network that they belong to wants them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ovseg_annotate.errors import VersionError
from ovseg_annotate.lessons.tuned_head import TunedHead


def tuned(head: nn.Module, change: TunedHead) -> nn.Module:
    """A copy of the head that an engine came with, with what was added to it."""
    copy = deepcopy(head)
    state = copy.state_dict()
    for name, added in change.added.items():
        there = state.get(name)
        if there is None or tuple(there.shape) != added.shape:
            got = "none of that name" if there is None else f"{tuple(there.shape)}"
            raise VersionError(
                f"version {change.digest[:8]} changes the tensor {name} of shape {added.shape}, "
                f"this head has {got}; open the model that it was learnt with"
            )
        with torch.no_grad():
            there.add_(torch.from_numpy(added).to(there))
    return copy


def added_between(before: nn.Module, after: nn.Module) -> dict[str, NDArray[np.float16]]:
    """What was added, in half precision; tensors that stayed are left out."""
    own = after.state_dict()
    added = {}
    for name, value in before.state_dict().items():
        if value.is_floating_point():
            change = (own[name].float() - value.float()).half()
            if bool(change.any()):
                added[name] = change.cpu().numpy()
    return added


def digest_of_weights(head: nn.Module) -> str:
    """Names all numbers of a head."""
    whole = hashlib.sha256()
    state: Mapping[str, Tensor] = head.state_dict()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        whole.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        whole.update(value.numpy().tobytes())
    return whole.hexdigest()
