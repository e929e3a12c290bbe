"""Tokens join groups: "GroupViT: Semantic Segmentation Emerges from Text Supervision", 3.1.

Every token goes to one group, by a step that gradients pass as if it were soft.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.grouping.layers import CrossAttention, Mlp


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """What became of the tokens."""

    segments: Tensor  # (pictures, groups, width)
    centres: Tensor  # (pictures, groups, width): what tokens were compared with
    soft: Tensor  # (pictures, groups, tokens): shares that add up to 1 over the groups


class GroupingBlock(nn.Module):
    """From tokens and as many group tokens as there were to fewer segments."""

    def __init__(self, width: int, heads: int, groups_in: int, groups: int) -> None:
        super().__init__()
        self.norm_groups = nn.LayerNorm(width)
        self.mix = Mlp(groups_in, width // 2, groups)  # over the groups, not over the channels
        self.norm_mixed = nn.LayerNorm(width)
        self.norm_tokens = nn.LayerNorm(width)
        self.look = CrossAttention(width, heads)
        self.norm_rest = nn.LayerNorm(width)
        self.rest = Mlp(width, 4 * width, width)
        self.norm_centres = nn.LayerNorm(width)
        self.queries = nn.Linear(width, width)
        self.keys = nn.Linear(width, width)
        self.values = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.norm_segments = nn.LayerNorm(width)
        self.feed = Mlp(width, 4 * width, width)

    def forward(self, tokens: Tensor, groups: Tensor) -> Grouped:
        tokens = self.norm_tokens(tokens)
        centres = self._centres(tokens, groups)
        logits = self.queries(centres) @ self.keys(tokens).mT / tokens.shape[-1] ** 0.5
        soft = logits.softmax(dim=1)
        hard = self._hard(logits, soft)
        # One more than there are tokens: an empty group is not divided by nothing.
        shares = hard / (hard.sum(dim=2, keepdim=True) + 1)
        segments = self.merge(shares @ self.values(tokens)) + centres
        segments = segments + self.feed(self.norm_segments(segments))
        return Grouped(segments, centres, soft)

    def _centres(self, tokens: Tensor, groups: Tensor) -> Tensor:
        mixed: Tensor = self.norm_mixed(self.mix(self.norm_groups(groups).mT).mT)
        mixed = mixed + self.look(mixed, tokens)
        mixed = mixed + self.rest(self.norm_rest(mixed))
        centres: Tensor = self.norm_centres(mixed)
        return centres

    def _hard(self, logits: Tensor, soft: Tensor) -> Tensor:
        """One group for every token; in training a random one, with the gradient of its share."""
        if self.training:
            return functional.gumbel_softmax(logits.float(), tau=1.0, hard=True, dim=1).to(
                logits.dtype
            )
        return torch.zeros_like(soft).scatter_(1, soft.argmax(dim=1, keepdim=True), 1.0)
