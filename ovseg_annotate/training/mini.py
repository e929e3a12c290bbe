"""Training of the bundled model `mini`: scenes, words and losses put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.scene import SceneRules, SceneStyle
from ovseg_annotate.geometry import Size
from ovseg_annotate.training.dense_paths import (
    DenseTokens,
    dense_tokens,
    encode_phrases,
)
from ovseg_annotate.training.losses import (
    PatchRows,
    caption_contrast,
    region_phrase_loss,
)
from ovseg_annotate.training.mini_model import MiniShape, word_anchors
from ovseg_annotate.training.nuclei import NucleiPicture, draw_nuclei_window, read_nuclei
from ovseg_annotate.training.region_batches import (
    WORD_KINDS,
    PhraseRules,
    RegionBatch,
    Sample,
    WordGroup,
    assemble,
    random_window,
    whole_sample,
    window_on_object,
    window_sample,
)
from ovseg_annotate.training.tokenizer_subset import subset_tokenizer

# CLIP's own; whoever loads the weights reads them from the configuration file.
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
LARGEST_SCALE = 100.0
_ANCHOR_SEED = 20  # any: only the right angles matter
_WINDOWS_OF_A_SCENE = 2  # of a focused batch: half the drawing for the same number of windows
_FOCUS_MICROSCOPY = 0.1  # microscopic things have no shapes to learn
_SMALLEST_OBJECTS, _LARGEST_OBJECTS = 0.8, 2.0
# Seeds of training pictures have this bit; held-out sets are numbered from 0.
_TRAINING_BIT = 1 << 62


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """What the pictures of a batch are."""

    pictures: int = 32  # a batch of whole pictures
    focus_share: float = 0.6  # of the batches: small windows with an object in their middle
    focus_pictures: int = 96  # such a batch
    focus_side: int = 48  # pixels
    easy_share_first: float = 0.75  # of the generated scenes, at the first step
    easy_share_last: float = 0.45  # at the last step
    window_share: float = 0.3  # of the generated pictures: a window of a larger scene
    nuclei_folder: str | None = None  # real nuclei pictures; None: generated scenes only
    nuclei_share: float = 0.12  # of the pictures, where a folder is given
    hard_negatives: int = 32  # phrases a batch
    random_negatives: int = 16  # phrases a batch


@dataclass(frozen=True, slots=True)
class LossWeights:
    plain: float = 0.5  # the dense tokens as the tower gives them
    neighbours: float = 1.0  # the last block as the training-free engine reads it
    words: float = 0.8  # bare colours, shapes, textures and things
    anchors: float = 0.8  # the same words as fixed directions, for patches and for phrases
    captions: float = 0.2


class SceneBatches:
    """Batches of generated scenes, and of nuclei windows where a folder is given."""

    def __init__(
        self, options: PictureOptions, shape: MiniShape, merges_file: Path, seed: int, batches: int
    ) -> None:
        self._options = options
        self._shape = shape
        self._merges_file = merges_file
        self._seed = seed
        self._batches = batches  # how many the curriculum is spread over

    def batch(self, number: int) -> RegionBatch:
        options = self._options
        rules = self._rules(number)
        rng = np.random.default_rng((self._seed, number, 1))
        draw = self._focused if self._is_focused(number) else self._whole
        batch = assemble(
            [sample for seed in self.seeds(number) for sample in draw(rules, seed)],
            self._tokenizer,
            self._shape.patch_size,
            PhraseRules(options.hard_negatives, options.random_negatives),
            rng,
        )
        spare = self._shape.grid - batch.pictures.shape[-1] // self._shape.patch_size
        return replace(batch, corner=(int(rng.integers(spare + 1)), int(rng.integers(spare + 1))))

    def seeds(self, number: int) -> tuple[int, ...]:
        options = self._options
        focused = options.focus_pictures // _WINDOWS_OF_A_SCENE
        sequence = np.random.SeedSequence((self._seed, number, 0))
        drawn = sequence.generate_state(
            focused if self._is_focused(number) else options.pictures, np.uint64
        )
        return tuple(int(seed) >> 2 | _TRAINING_BIT for seed in drawn)

    def _whole(self, rules: SceneRules, seed: int) -> list[Sample]:
        rng = np.random.default_rng((seed, 2))
        if self._nuclei and rng.random() < self._options.nuclei_share:
            return [draw_nuclei_window(self._nuclei, self._shape.image_size, rng)]
        if rng.random() >= self._options.window_share:
            return [whole_sample(draw_scene(rules, seed))]
        scene = draw_scene(_wider(rules, rng), seed)
        return [window_sample(scene, random_window(scene, rules.size.height, rng), rng)]

    def _is_focused(self, number: int) -> bool:
        # Shapes are learnt from patches of objects, and most of a whole picture is ground.
        return np.random.default_rng((self._seed, number, 3)).random() < self._options.focus_share

    def _focused(self, rules: SceneRules, seed: int) -> list[Sample]:
        rng = np.random.default_rng((seed, 2))
        side = self._options.focus_side
        size = Size(side * 4 // 3, side * 4 // 3)
        scene = draw_scene(replace(rules, size=size, microscopy_share=_FOCUS_MICROSCOPY), seed)
        windows = [window_on_object(scene, side, rng) for _ in range(_WINDOWS_OF_A_SCENE)]
        return [window_sample(scene, window, rng) for window in windows]

    def _rules(self, number: int) -> SceneRules:
        first, last = self._options.easy_share_first, self._options.easy_share_last
        progress = min(number / max(self._batches, 1), 1.0)
        side = self._shape.image_size
        return SceneRules(
            style=SceneStyle.MIXED,
            size=Size(side, side),
            pairs="seen",
            easy_share=first + (last - first) * progress,
        )

    @cached_property
    def _tokenizer(self) -> Any:
        return subset_tokenizer(self._merges_file, self._shape.context_length)

    @cached_property
    def _nuclei(self) -> tuple[NucleiPicture, ...]:
        folder = self._options.nuclei_folder
        return () if folder is None else read_nuclei(Path(folder))


def _wider(rules: SceneRules, rng: np.random.Generator) -> SceneRules:
    """A scene to cut a window from, as a large picture is cut up at run time."""
    side = rules.size.height * 3 // 2
    scale = float(np.exp(rng.uniform(np.log(_SMALLEST_OBJECTS), np.log(_LARGEST_OBJECTS))))
    return replace(rules, size=Size(side, side), object_scale=scale)


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
    for group in groups:
        columns = similarity[:, group.first : group.last]
        losses.append(region_phrase_loss(columns, rows, group.statements))
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
