"""S-Seg (Lai 2025): masks from pseudo-masks, words from captions, and neither from the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ovseg_annotate.backbones.mask_pyramids import IMAGENET_MEAN, IMAGENET_STD, FrozenCells
from ovseg_annotate.backbones.system_folder import SystemCard, write_system
from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.masks.clusters import ClusterOptions
from ovseg_annotate.masks.contrast import Reduction, picture_text_contrast
from ovseg_annotate.masks.losses import MaskWeights, mask_losses, paired
from ovseg_annotate.masks.network import MaskNetwork, MaskParts, build_mask_network, tower_pyramid
from ovseg_annotate.training.checkpoints import last_checkpoint
from ovseg_annotate.training.distributed import Peers
from ovseg_annotate.training.loop import ALONE, Outcome, train
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.progress import Progress
from ovseg_annotate.training.sseg_batches import (
    CaptionedBatch,
    CellPool,
    PairBatches,
    SceneBatches,
    SsegPictures,
    cell_pool,
    pseudo_masks,
)

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class SsegWeights:
    """How much each part of the loss counts."""

    masks: float = 1.0
    contrast: float = 1.0
    focal: float = 20.0  # within the masks' part
    dice: float = 1.0
    reduction: Reduction = "sum"  # of the two directions of the contrast
    deep: bool = True  # masks of every layer of the decoder count, not of the last one only


@dataclass(frozen=True, slots=True)
class PseudoMasks:
    """Where masks come from that nobody drew."""

    by: Literal["tower", "dino", "colour"] = "tower"  # cells of: the pyramid's tower, DINO, pixels
    dino: str = "vit_small_patch8_224.dino"  # timm's name
    weights: str = ""  # file of the DINO weights
    clusters: ClusterOptions = field(default_factory=ClusterOptions)


@dataclass(frozen=True, slots=True)
class SsegRecipe:
    """A table of the file each; a table left out has its defaults."""

    parts: MaskParts
    system: str = "sseg"
    threshold: float | None = None  # of the exported card; None: the engine's own
    pictures: SsegPictures = field(default_factory=SsegPictures)
    pseudo: PseudoMasks = field(default_factory=PseudoMasks)
    weights: SsegWeights = field(default_factory=SsegWeights)
    loop: LoopOptions = field(default_factory=LoopOptions)

    def __post_init__(self) -> None:
        MaskWeights(self.weights.focal, self.weights.dice)  # refuses what cannot be
        if self.parts.sizes.queries < self.pseudo.clusters.clusters:
            raise OptionError(
                f"queries: got {self.parts.sizes.queries} for {self.pseudo.clusters.clusters} "
                "clusters; every cluster needs a query: ask for more queries"
            )
        if self.pseudo.by == "tower" and not self.parts.pyramid.tower:
            raise OptionError(
                "pseudo.by = 'tower' groups the cells of the pyramid's tower, and there is none; "
                "write by = 'dino' with its weights, or by = 'colour'"
            )
        if self.pictures.pairs is None and not self.parts.pyramid.tower:
            raise OptionError(
                "generated scenes are told by a frozen tower: name parts.pyramid.tower, or "
                "pictures.pairs to train on pictures of yours"
            )

    def train(
        self,
        run_folder: Path,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        device: torch.device = _CPU,
        peers: Peers = ALONE,
    ) -> Outcome:
        """Train, or go on where the run folder left off."""
        training = SsegTraining(self, device)
        pieces, seed = training.network.text.pieces, self.loop.seed
        if self.pictures.pairs is not None:
            pairs = PairBatches(self.pictures, pieces, seed)
            return train(training, pairs, self.loop, run_folder, on_progress, peers)
        scenes = SceneBatches(self.pictures, pieces, seed, training.pool_of)
        return train(training, scenes, self.loop, run_folder, on_progress, peers)

    def export(self, run_folder: Path, folder: Path) -> None:
        """Write the averaged weights of the last checkpoint as sseg@FOLDER."""
        export_network(run_folder, folder, self.parts, self.threshold)


class SsegTraining:
    """The Trainable: one pass, masks against clusters, the picture against its caption."""

    def __init__(self, recipe: SsegRecipe, device: torch.device) -> None:
        self._recipe = recipe
        clip = clip_under(recipe.parts, device)
        self._network = build_mask_network(recipe.parts, clip, recipe.loop.seed).to(device)
        mean, std = pixel_statistics(clip)
        self._mean = torch.tensor(mean, device=device).view(3, 1, 1)
        self._std = torch.tensor(std, device=device).view(3, 1, 1)
        self._dino: FrozenCells | None = None
        if recipe.pseudo.by == "dino":
            self._dino = FrozenCells(recipe.pseudo.dino, Path(recipe.pseudo.weights)).to(device)

    @property
    def module(self) -> torch.nn.Module:
        return self._network

    @property
    def network(self) -> MaskNetwork:
        return self._network

    def normalised(self, pictures: Tensor) -> Tensor:
        """uint8 pictures as the network wants them."""
        return (pictures.to(self._mean.device) / 255.0 - self._mean) / self._std

    def losses(self, batch: CaptionedBatch) -> Mapping[str, Tensor]:
        weights, device = self._recipe.weights, self._mean.device
        batch = batch.on(device)
        seen = self._network.see(self.normalised(batch.pictures), batch.cells)
        texts = self._network.text(batch.captions)
        with torch.autocast(device.type, enabled=False):
            clusters = batch.clusters
            if clusters is None:
                clusters = self.pseudo_masks(batch.pictures, _grid_of(seen.masks))
            losses = self._mask_losses(seen.masks.float(), clusters)
            # All queries speak for the picture, also those that no cluster was found for.
            contrast = picture_text_contrast(
                seen.vectors.float().mean(dim=1), texts, self._network.scale, weights.reduction
            )
            losses["contrast"] = weights.contrast * contrast
        return losses

    def _mask_losses(self, masks: Tensor, clusters: Tensor) -> dict[str, Tensor]:
        weights, count = self._recipe.weights, self._recipe.pseudo.clusters.clusters
        own = MaskWeights(weights.focal, weights.dice)
        focal, dice = masks.new_zeros(()), masks.new_zeros(())
        for layer in masks if weights.deep else masks[-1:]:
            parts = mask_losses(layer, clusters, count, paired(layer, clusters, count, own))
            focal, dice = focal + parts.focal, dice + parts.dice
        return {
            "focal": weights.masks * weights.focal * focal,
            "dice": weights.masks * weights.dice * dice,
        }

    def pseudo_masks(self, pictures: Tensor, grid: Size) -> Tensor:
        """(pictures, 3, height, width) uint8 -> (pictures, rows, columns) int64."""
        pseudo = self._recipe.pseudo
        by_colour = pseudo.by == "colour"
        cells = pictures if by_colour else self._frozen_cells(pictures)
        return pseudo_masks(pictures, cells, grid, pseudo.clusters, by_colour=by_colour)

    def pool_of(self, pictures: Tensor) -> CellPool:
        """What the tower and K-Means make of pictures that will be shown many times."""
        stride = self._network.pyramid.stride
        grid = Size(pictures.shape[2] // stride, pictures.shape[3] // stride)
        by_colour = self._recipe.pseudo.by == "colour"
        options = self._recipe.pseudo.clusters
        # The loop asks for the first batch in the precision of its steps.
        with torch.autocast(self._mean.device.type, enabled=False):
            return cell_pool(pictures, self._tower_cells, grid, options, by_colour=by_colour)

    def _frozen_cells(self, pictures: Tensor) -> Tensor:
        if self._dino is None:
            return self._tower_cells(pictures)
        tokens: Tensor
        tokens, grid = self._dino(_imagenet(pictures))
        return tokens.transpose(1, 2).reshape(len(pictures), -1, grid.height, grid.width)

    def _tower_cells(self, pictures: Tensor) -> Tensor:
        pyramid = tower_pyramid(self._network)
        if pyramid is None:
            raise OptionError("there is no tower whose cells could be grouped")
        return pyramid.cells(self.normalised(pictures))


def clip_under(parts: MaskParts, device: torch.device) -> Clip | None:
    """The frozen tower, if there is one."""
    if not parts.pyramid.tower:
        return None
    clip = load_clip(parts.pyramid.tower, offline=True)
    clip.modules[0].to(device)
    return clip


def pixel_statistics(
    clip: Clip | None,
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and deviation that the network's pictures are normalised with."""
    return (IMAGENET_MEAN, IMAGENET_STD) if clip is None else (clip.card.mean, clip.card.std)


def export_network(
    run_folder: Path, folder: Path, parts: MaskParts, threshold: float | None
) -> None:
    """Averaged weights and their card; whoever opens them needs no file of timm's."""
    checkpoint = last_checkpoint(run_folder)
    clip = clip_under(parts, _CPU)
    made_of = replace(parts, pyramid=replace(parts.pyramid, weights=""))
    card = SystemCard(
        system="sseg",
        tower=parts.pyramid.tower,
        tower_digest="" if clip is None else clip.card.weights_digest,
        parts=asdict(made_of),
        threshold=threshold,
        known_words=() if clip is None else clip.card.known_words,
        trained_steps=checkpoint.step,
    )
    write_system(folder, card, checkpoint.averaged)


def _grid_of(masks: Tensor) -> Size:
    return Size(masks.shape[-2], masks.shape[-1])


def _imagenet(pictures: Tensor) -> Tensor:
    mean, std = (
        torch.tensor(values, device=pictures.device).view(3, 1, 1)
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (pictures / 255.0 - mean) / std
