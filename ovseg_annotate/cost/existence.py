"""What is likely to be in a window at all, so that the rest is held back.

A reconstruction: "LoGoSeg" (arXiv 2602.05578) tells that the likeness of a whole picture to the
phrases weighs the concepts, and not how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost.volume import REJECTED, cost_volume
from ovseg_annotate.errors import ModelError, OptionError

# soft: scores are weighed. hard: all but the likeliest concepts are left out. off: neither.
ExistenceMode: TypeAlias = Literal["soft", "hard", "off"]
# whole: the embedding of the window. peak: its most alike cell, where that is more.
ExistenceEvidence: TypeAlias = Literal["whole", "peak"]

_FEWEST_NEUTRAL = 4  # with fewer, how unusual a likeness is cannot be told
_FIRST_SLOPE, _FIRST_OFFSET = 2.0, 1.0
_SMALL = 1e-6


@dataclass(frozen=True, slots=True)
class ExistenceOptions:
    """How concepts that are hardly there are held back."""

    mode: ExistenceMode = "soft"
    evidence: ExistenceEvidence = "whole"
    first_strength: float = 0.0  # 0 to 1: how much an unlikely concept loses; learnt from there
    most: int = 32  # concepts that stay, for mode "hard"
    # True of any picture, to compare with: one concept alone has nothing to stand out from.
    neutral: tuple[str, ...] = (
        "background",
        "object",
        "a photo",
        "texture",
        "an object",
        "a picture",
    )

    def __post_init__(self) -> None:
        if not 0 <= self.first_strength <= 1:
            raise OptionError(f"first_strength: got {self.first_strength:g}; allowed: 0 to 1")
        if self.most < 1:
            raise OptionError(f"most: got {self.most}; allowed: 1 or more")
        if len(self.neutral) < _FEWEST_NEUTRAL:
            raise OptionError(
                f"neutral: got {len(self.neutral)} phrases; allowed: {_FEWEST_NEUTRAL} or more"
            )


class ExistencePrior(nn.Module):
    """A weight from 0 to 1 for each concept of each window."""

    neutral: Tensor

    def __init__(self, neutral: Tensor, options: ExistenceOptions) -> None:
        """`neutral` (phrases, width) of any length."""
        super().__init__()
        self.options = options
        self.register_buffer("neutral", functional.normalize(neutral.float(), dim=1))
        self.strength = nn.Parameter(torch.tensor(options.first_strength))
        self.slope = nn.Parameter(torch.tensor(_FIRST_SLOPE))
        self.offset = nn.Parameter(torch.tensor(_FIRST_OFFSET))

    def logits(self, seen: TappedFeatures, text: Tensor) -> Tensor:
        """(windows, concepts): how much a concept stands out among all and the neutral phrases."""
        mean = functional.normalize(functional.normalize(text, dim=3).mean(dim=2), dim=2)
        neutral = self.neutral.expand(len(mean), -1, -1)
        known = torch.cat([mean, neutral], dim=1).expand(len(seen.whole), -1, -1)
        if known.shape[2] != seen.whole.shape[1]:
            raise ModelError(
                f"text of width {known.shape[2]} and windows of width {seen.whole.shape[1]} come "
                "from different towers; encode both with the same one"
            )
        likeness = torch.einsum("wc,wnc->wn", functional.normalize(seen.whole, dim=1), known)
        if self.options.evidence == "peak":
            cells = cost_volume(seen.cells, known[:, :, None]).amax(dim=(1, 3, 4))
            likeness = torch.maximum(likeness, cells)
        middle = likeness.mean(dim=1, keepdim=True)
        spread = likeness.std(dim=1, keepdim=True) + _SMALL
        unusual = (likeness - middle) / spread
        return self.slope * unusual[:, : mean.shape[1]] + self.offset

    def weighed(self, cost: Tensor, logits: Tensor) -> Tensor:
        """Cosines (windows, phrases, concepts, rows, columns), weighed by the `logits`."""
        if self.options.mode != "soft":
            return cost
        # Held between 0 and 1 without losing the gradient there, as a clamp would.
        bounded = self.strength + (self.strength.clamp(0, 1) - self.strength).detach()
        weights = 1 - bounded * (1 - logits.sigmoid())
        return cost * weights[:, None, :, None, None]

    def without_unlikely(self, scores: Tensor, logits: Tensor) -> Tensor:
        """Logits of cells (windows, concepts, ...) with all but the likeliest concepts rejected."""
        concepts = scores.shape[1]
        if self.options.mode != "hard" or concepts <= self.options.most:
            return scores
        chosen = logits.topk(self.options.most, dim=1).indices
        stays = torch.zeros_like(logits, dtype=torch.bool).scatter(1, chosen, value=True)
        return scores.where(stays[:, :, None, None], scores.new_tensor(REJECTED))
