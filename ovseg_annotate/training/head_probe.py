"""A quick look at how a head is doing: crowded held-out-like scenes, one window each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.cost.trunk import probabilities
from ovseg_annotate.engines.cost_engine import System
from ovseg_annotate.training.head_batches import HeadPictures, SceneWindows

_SEED = 900_000  # neither a training's seed nor one of a fixed held-out set
_PICTURES = HeadPictures(windows=32, windows_of_a_scene=1, fewest_phrases=12, most_phrases=12)


class HeadProbe:
    """Mean IoU over the concepts that occur, with absent ones competing; no refinement."""

    def __init__(
        self,
        system: System,
        bank: Callable[[tuple[str, ...]], Tensor],
        normalised: Callable[[Tensor], Tensor],
    ) -> None:
        self._system = system
        self._bank = bank
        self._normalised = normalised
        self._batch = SceneWindows(_PICTURES, system.clip.card.window, _SEED).batch(0)

    @torch.no_grad()
    def score(self) -> float:
        batch, system = self._batch, self._system
        text = torch.stack([self._bank(own) for own in batch.phrases])
        seen = system.see(self._normalised(batch.images))
        values = probabilities(system.head, seen, text[:, :, None])
        answers = functional.interpolate(values, batch.labels.shape[1:], mode="bilinear")
        said = answers.argmax(dim=1).cpu() + 1
        ious = []
        for labels, own in zip(batch.labels, said, strict=True):
            for label in labels.unique().tolist():
                if label:
                    both = ((labels == label) & (own == label)).sum()
                    ious.append(float(both / ((labels == label) | (own == label)).sum()))
        return float(np.mean(ious))
