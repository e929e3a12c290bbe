"""Prototypes that are estimated, not learnt.

"Uncovering Prototypical Knowledge for Weakly Open-Vocabulary Semantic Segmentation", section 3.2,
by the expectation maximisation of "Expectation-Maximization Attention Networks", section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

_LEAST = 1e-6  # added to denominators


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """The prototypes of some pictures' tokens."""

    prototypes: Tensor  # (pictures, prototypes, width), about unit length
    weights: Tensor  # (pictures, tokens, prototypes): of the last round; a column adds up to 1

    @property
    def reconstruction(self) -> Tensor:
        """(pictures, tokens, width): every token said in prototypes; small, as weights are."""
        return self.weights @ self.prototypes


@torch.no_grad()
def estimate(
    tokens: Tensor,
    start: Tensor,
    iterations: int,
    valid: Tensor | None = None,
    *,
    released_quirks: bool = False,
) -> Estimate:
    """Go to and fro between shares of tokens and means; `valid` (pictures, tokens) is 1 or 0.

    The released program takes single numbers for the tokens of a text, whose means would all
    become 1 or -1, and divides by their length over the prototypes: for comparing numbers only.
    """
    tokens = tokens.detach().float()
    prototypes = start.float().expand(len(tokens), -1, -1)
    weights = tokens.new_zeros(0)
    for _ in range(iterations):
        weights = token_weights(tokens, prototypes, valid)
        means = weights.mT @ tokens
        length = means.norm(dim=1 if released_quirks else 2, keepdim=True)
        prototypes = means / (_LEAST + length)
    return Estimate(prototypes, weights)


def token_weights(tokens: Tensor, prototypes: Tensor, valid: Tensor | None = None) -> Tensor:
    """(pictures, tokens, prototypes): shares of tokens, as weights of a mean over them."""
    shares = (tokens @ prototypes.mT).softmax(dim=2)
    if valid is not None:
        shares = shares * valid[:, :, None].to(shares.dtype)
    return shares / (_LEAST + shares.sum(dim=1, keepdim=True))


class PrototypeMemory(nn.Module):
    """Where estimates start: a slow average of where they ended in training."""

    means: Tensor

    def __init__(self, count: int, width: int, iterations: int = 10, momentum: float = 0.9) -> None:
        super().__init__()
        self.iterations = iterations
        self.momentum = momentum
        start = torch.randn(1, count, width) * (2 / width) ** 0.5
        self.register_buffer("means", functional.normalize(start, dim=2))

    def forward(self, tokens: Tensor, valid: Tensor | None = None) -> Estimate:
        with torch.autocast(tokens.device.type, enabled=False):
            found = estimate(tokens, self.means, self.iterations, valid)
        if self.training:
            self.remember(found.prototypes)
        return found

    @torch.no_grad()
    def remember(self, prototypes: Tensor) -> None:
        mean = prototypes.mean(dim=0, keepdim=True)
        if dist.is_initialized():
            dist.all_reduce(mean)
            mean /= dist.get_world_size()
        self.means.lerp_(mean.to(self.means.dtype), 1 - self.momentum)
