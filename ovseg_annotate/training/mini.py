"""What the bundled model `mini` is trained to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ovseg_annotate.training.dense_paths import DenseTokens, dense_tokens, encode_phrases
from ovseg_annotate.training.losses import PatchRows, caption_contrast, region_phrase_loss
from ovseg_annotate.training.mini_model import MiniShape, word_anchors
from ovseg_annotate.training.region_batches import WORD_KINDS, RegionBatch, WordGroup

# CLIP's own; whoever loads the weights reads them from the configuration file.
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
LARGEST_SCALE = 100.0
# In the order of WORD_KINDS: shapes are by far the hardest. They add up to their number.
_KIND_WEIGHTS = (0.5, 2.0, 1.0, 0.5)
_ANCHOR_SEED = 20  # any: only the right angles matter


@dataclass(frozen=True, slots=True)
class LossWeights:
    plain: float = 0.5  # the dense tokens as the tower gives them
    neighbours: float = 1.0  # the last block as the training-free engine reads it
    words: float = 0.8  # bare colours, shapes, textures and things
    anchors: float = 0.8  # the same words as fixed directions, for patches and for phrases
    captions: float = 0.2


class MiniTraining:
    """The Trainable: one forward pass, the dense loss on both paths, words and captions."""

    def __init__(self, model: nn.Module, shape: MiniShape, weights: LossWeights) -> None:
        self._model = model
        self._weights = weights
        device = next(model.parameters()).device
        words = sum(len(kind) for kind in WORD_KINDS)
        self._anchors = word_anchors(words, shape.embed_dim, _ANCHOR_SEED).to(device)
        self._mean = torch.tensor(PIXEL_MEAN, device=device).view(3, 1, 1)
        self._std = torch.tensor(PIXEL_STD, device=device).view(3, 1, 1)

    @property
    def module(self) -> nn.Module:
        return self._model

    def normalised(self, pictures: Tensor) -> Tensor:
        """uint8 pictures as the tower wants them."""
        return (pictures.to(self._mean.device) / 255.0 - self._mean) / self._std

    def losses(self, batch: RegionBatch) -> Mapping[str, Tensor]:
        model: Any = self._model
        batch = batch.on(self._mean.device)
        with _quick_attention(self._mean.device):
            tokens = dense_tokens(model.visual, self.normalised(batch.pictures), batch.corner)
            texts = encode_phrases(model, torch.cat([batch.phrases, batch.words]))
            captions = encode_phrases(model, batch.captions)
        # In bfloat16 a scaled cosine of 50 would be right to a quarter only.
        with torch.autocast(self._mean.device.type, enabled=False):
            return self._compared(batch, tokens, texts, captions)

    def _compared(
        self, batch: RegionBatch, tokens: DenseTokens, texts: Tensor, captions: Tensor
    ) -> dict[str, Tensor]:
        model: Any = self._model
        weights = self._weights
        scale = model.logit_scale.exp().clamp(max=LARGEST_SCALE)
        said = scale * texts[: len(batch.phrases)] @ self._anchors.T
        losses = {
            "captions": weights.captions * caption_contrast(tokens.picture, captions, scale),
            "phrase_anchors": weights.anchors * anchor_loss(said, batch.said),
        }
        bank = torch.cat([texts, self._anchors])
        sizes = [len(batch.phrases), len(batch.words), len(self._anchors)]
        paths = (
            ("plain", tokens.plain, weights.plain),
            ("neighbours", tokens.neighbours, weights.neighbours),
        )
        for name, path, weight in paths:
            similarity = scale * path.flatten(0, 1) @ bank.T
            told, spoken, anchored = similarity.split(sizes, dim=1)
            rows = batch.rows
            losses[name] = weight * region_phrase_loss(told, rows, batch.statements)
            losses[f"{name}_words"] = weight * weights.words * word_loss(spoken, rows, batch.groups)
            losses[f"{name}_anchors"] = (
                weight * weights.anchors * word_loss(anchored, rows, batch.groups)
            )
        return losses


def word_loss(similarity: Tensor, rows: PatchRows, groups: tuple[WordGroup, ...]) -> Tensor:
    """The mean over kinds of words: tell the right colour from the other colours, and so on."""
    losses = []
    for group, weight in zip(groups, _KIND_WEIGHTS, strict=True):
        columns = similarity[:, group.first : group.last]
        losses.append(weight * region_phrase_loss(columns, rows, group.statements))
    return torch.stack(losses).mean()


def anchor_loss(similarity: Tensor, said: tuple[WordGroup, ...]) -> Tensor:
    """The mean over kinds of words: a phrase points to the anchors of what it says.

    Without anchors the words of a kind that the pictures cannot tell apart yet, shapes above all,
    fall together in the text tower, and pictures then have nothing left to learn from them.
    """
    losses = []
    for group in said:
        columns = similarity[:, group.first : group.last]
        own = group.statements.own
        rows = (own >= 0).nonzero()[:, 0]
        if len(rows):
            losses.append(F.cross_entropy(columns[rows], own[rows]))
    return torch.stack(losses).mean()


def _quick_attention(device: torch.device) -> Any:
    # On a CPU the plain formula is nearly twice as fast as torch's fused one at these sizes.
    backends = [SDPBackend.MATH]
    if device.type != "cpu":
        backends = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel(backends)
