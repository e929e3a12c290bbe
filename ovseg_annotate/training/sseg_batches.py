"""Captioned pictures, as S-Seg learns from them: generated scenes kept in memory, or files.

What a frozen tower says of a scene and the pseudo-masks that follow are worked out once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.backbones.mask_text import CaptionPieces
from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.phrases import caption_of
from ovseg_annotate.datasets.scenes.scene import Attributes, SceneRules, SceneStyle
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.masks.clusters import ClusterOptions, clusters_of, colour_cells
from ovseg_annotate.training.pair_files import PairFiles, random_window
from ovseg_annotate.training.scene_seeds import scene_seeds

# (pictures, 3, side, side) uint8 -> (pictures, width, rows, columns)
CellReader = Callable[[Tensor], Tensor]

_AT_ONCE = 32  # pictures through the tower


@dataclass(frozen=True, slots=True)
class SsegPictures:
    """What the pictures of a batch are."""

    pictures: int = 64  # a batch
    side: int = 96  # pixels, both sides
    pool: int = 4096  # scenes that are drawn once and shown again, mirrored or not
    pool_seed: int = 0  # of the scenes; the loop's seed is that of their order and of the rest
    easy_share: float = 0.6  # of the scenes
    microscopy_share: float = 0.15
    pairs: str | None = None  # table, archive or folder of archives; None: generated scenes
    smallest_window: float = 0.4  # of the area of a picture from a file

    def __post_init__(self) -> None:
        if self.pictures < 2:
            raise OptionError(
                f"pictures: got {self.pictures}; allowed: 2 or more, for they are told apart"
            )
        if self.pool < self.pictures:
            raise OptionError(
                f"pool: got {self.pool}; allowed: at least the {self.pictures} pictures of a batch"
            )
        if not 0 < self.smallest_window <= 1:
            raise OptionError(
                f"smallest_window: got {self.smallest_window}; allowed: above 0, up to 1"
            )


@dataclass(frozen=True, slots=True, eq=False)
class CaptionedBatch:
    """Row k of everything is about picture k."""

    pictures: Tensor  # (pictures, 3, side, side) uint8
    captions: Tensor  # (pictures, tokens) int64
    cells: Tensor | None = None  # of the frozen tower, where they are known
    clusters: Tensor | None = None  # (pictures, rows, columns) int64, where they are known

    def on(self, device: torch.device) -> CaptionedBatch:
        return CaptionedBatch(
            self.pictures.to(device),
            self.captions.to(device),
            None if self.cells is None else self.cells.to(device),
            None if self.clusters is None else self.clusters.to(device),
        )


@dataclass(frozen=True, slots=True, eq=False)
class CellPool:
    """Pictures with what a frozen tower and K-Means make of them."""

    pictures: Tensor  # (pictures, 3, side, side) uint8
    cells: Tensor  # (pictures, width, rows, columns) float16
    clusters: Tensor  # (pictures, rows, columns) uint8, on the grid of the masks

    def picked(self, places: Tensor, mirrored: Tensor) -> CellPool:
        """These pictures, some of them mirrored: the tower would see them almost so."""
        return CellPool(
            _mirrored(self.pictures[places], mirrored),
            _mirrored(self.cells[places], mirrored),
            _mirrored(self.clusters[places], mirrored),
        )


class SceneBatches:
    """Batches of generated scenes by number, each time with another caption."""

    def __init__(
        self,
        options: SsegPictures,
        pieces: CaptionPieces,
        seed: int,
        pool_of: Callable[[Tensor], CellPool],
    ) -> None:
        self._options = options
        self._pieces = pieces
        self._seed = seed
        self._pool_of = pool_of

    def batch(self, number: int) -> CaptionedBatch:
        described, pool = self._pool
        rng = np.random.default_rng((self._seed, number))
        places = rng.choice(len(described), size=self._options.pictures, replace=False)
        mirrored = torch.from_numpy(rng.random(len(places)) < 0.5)
        picked = pool.picked(torch.from_numpy(places), mirrored)
        captions = [caption_of(described[int(place)], rng) for place in places]
        return CaptionedBatch(
            picked.pictures, self._pieces.cut(captions), picked.cells, picked.clusters.long()
        )

    def seeds(self, number: int) -> tuple[int, ...]:
        return (self._seed, number)

    @cached_property
    def _pool(self) -> tuple[list[tuple[Attributes, ...]], CellPool]:
        options = self._options
        rules = SceneRules(
            style=SceneStyle.MIXED,
            size=Size(options.side, options.side),
            pairs="seen",
            easy_share=options.easy_share,
            microscopy_share=options.microscopy_share,
        )
        scenes = [
            draw_scene(rules, seed) for seed in scene_seeds((options.pool_seed, 0), options.pool)
        ]
        described = [tuple(one.attributes for one in scene.regions) for scene in scenes]
        return described, self._pool_of(stacked([scene.pixels for scene in scenes]))


class PairBatches:
    """Batches of windows of pictures from files; cells and pseudo-masks come later."""

    def __init__(self, options: SsegPictures, pieces: CaptionPieces, seed: int) -> None:
        self._options = options
        self._pieces = pieces
        self._seed = seed

    def batch(self, number: int) -> CaptionedBatch:
        options = self._options
        rng = np.random.default_rng((self._seed, number))
        pairs = self._files.draw(number, options.pictures, rng)
        windows = [
            random_window(pair.image.pixels, options.side, options.smallest_window, rng)
            for pair in pairs
        ]
        mirrored = torch.from_numpy(rng.random(len(windows)) < 0.5)
        return CaptionedBatch(
            _mirrored(stacked(windows), mirrored), self._pieces.cut([pair.text for pair in pairs])
        )

    def seeds(self, number: int) -> tuple[int, ...]:
        return (self._seed, number)

    @cached_property
    def _files(self) -> PairFiles:
        return PairFiles(Path(self._options.pairs or ""))


def cell_pool(
    pictures: Tensor, read: CellReader, grid: Size, options: ClusterOptions, *, by_colour: bool
) -> CellPool:
    """Run the tower and K-Means over pictures once; `grid` is that of the masks."""
    cells, clusters = [], []
    for part in torch.split(pictures, _AT_ONCE):
        seen = read(part)
        cells.append(seen.half())
        clusters.append(pseudo_masks(part, seen, grid, options, by_colour=by_colour).byte())
    return CellPool(pictures, torch.cat(cells), torch.cat(clusters))


def pseudo_masks(
    pictures: Tensor, cells: Tensor, grid: Size, options: ClusterOptions, *, by_colour: bool
) -> Tensor:
    """(pictures, rows, columns) int64 on `grid`, of cells (pictures, width, rows, columns)."""
    if by_colour:
        tokens = colour_cells(pictures, grid)
    else:
        fine = functional.interpolate(cells.float(), (grid.height, grid.width), mode="bilinear")
        tokens = fine.flatten(2).transpose(1, 2)
    return clusters_of(tokens, options).view(-1, grid.height, grid.width)


def stacked(pixels: list[NDArray[np.uint8]]) -> Tensor:
    """Pictures (side, side, 3) -> (pictures, 3, side, side)."""
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()


def _mirrored(values: Tensor, chosen: Tensor) -> Tensor:
    """(pictures, ..., columns): turn the chosen ones left to right."""
    where = chosen.view(-1, *[1] * (values.ndim - 1))
    return torch.where(where, values.flip(-1), values)
