"""Training of the small guide: which cells of a window lie in one region, whatever it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.backbones.guides import GUIDE, GuideSizes, guide_pixels, small_guide
from ovseg_annotate.backbones.system_folder import SystemCard, write_system
from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.scene import SceneRules, SceneStyle
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.resampling import resampled
from ovseg_annotate.training.checkpoints import last_checkpoint
from ovseg_annotate.training.distributed import Peers
from ovseg_annotate.training.loop import ALONE, Outcome, train
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.progress import Progress
from ovseg_annotate.training.scene_seeds import scene_seeds

_CPU = torch.device("cpu")
_HELD_OUT = 910_000  # the seed of the batch that the score is measured on
# Steps from a cell to those it is compared with: its neighbours, and some further off.
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (3, 3), (3, -3), (0, 5), (5, 0))
_FIRST_SCALE, _FIRST_MIDDLE = 8.0, 0.5
_SURE = 0.1  # share of a pair's area about which the score does not ask


@dataclass(frozen=True, slots=True)
class GuidePictures:
    """What the windows of a batch are."""

    windows: int = 16
    side: int = 96  # px
    largest_magnification: float = 1.9  # of scenes of that side, before a window is cut out
    microscopy_share: float = 0.25

    def __post_init__(self) -> None:
        if self.windows < 1 or self.side < 32 or not self.largest_magnification >= 1:
            raise OptionError(
                f"pictures: got {self.windows} windows of {self.side} px, enlarged up to "
                f"{self.largest_magnification:g}; allowed: 1 or more, 32 or more, 1 or more"
            )


@dataclass(frozen=True, slots=True, eq=False)
class RegionWindows:
    """Windows and the region of every pixel."""

    images: Tensor  # (windows, 3, side, side) uint8
    regions: Tensor  # (windows, side, side) int64, numbered from 0 in each window


class GuideWindows:
    """Batches of windows of generated scenes: a pure function of seed and number."""

    def __init__(self, options: GuidePictures, seed: int) -> None:
        self._options = options
        self._seed = seed

    def batch(self, number: int) -> RegionWindows:
        drawn = [self._window(seed) for seed in self.seeds(number)]
        images = torch.from_numpy(np.stack([pixels for pixels, _ in drawn]))
        regions = torch.from_numpy(np.stack([regions for _, regions in drawn]))
        return RegionWindows(images.permute(0, 3, 1, 2), regions)

    def seeds(self, number: int) -> tuple[int, ...]:
        return scene_seeds((self._seed, number, 0), self._options.windows)

    def _window(self, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        options = self._options
        rng = np.random.default_rng((seed, 2))
        size = Size(options.side, options.side)
        rules = SceneRules(
            style=SceneStyle.MIXED, size=size, microscopy_share=options.microscopy_share
        )
        scene = draw_scene(rules, seed)
        factor = float(np.exp(rng.uniform(0, np.log(options.largest_magnification))))
        seen = options.side / factor
        left, top = rng.uniform(0, options.side - seen, 2)
        places = ((np.arange(options.side) + 0.5) / factor).astype(np.float64)
        rows, columns = (
            (start + places).astype(np.int64).clip(0, options.side - 1) for start in (top, left)
        )
        instances = scene.instances[rows[:, None], columns[None]]
        _, regions = np.unique(instances, return_inverse=True)
        box = (left, top, left + seen, top + seen)
        pixels = np.ascontiguousarray(resampled(scene.pixels, box, size))
        return pixels, regions.reshape(instances.shape).astype(np.int64)


class GuideTraining:
    """The Trainable: vectors of cells in one region point one way, of others elsewhere."""

    def __init__(self, sizes: GuideSizes, seed: int, device: torch.device) -> None:
        self._module = _Compared(small_guide(sizes, seed)).to(device)
        self._device = device

    @property
    def module(self) -> nn.Module:
        return self._module

    def losses(self, batch: RegionWindows) -> Mapping[str, Tensor]:
        parts = [
            functional.binary_cross_entropy_with_logits(logits.float(), same)
            for logits, same in self._pairs(batch)
        ]
        return {"pairs": torch.stack(parts).mean()}

    @torch.no_grad()
    def score(self, batch: RegionWindows) -> float:
        """Share of pairs of cells that are told rightly; both answers count half."""
        right: dict[bool, list[Tensor]] = {True: [], False: []}
        for logits, same in self._pairs(batch):
            for truth, sure in ((True, same > 1 - _SURE), (False, same < _SURE)):
                right[truth].append(((logits > 0) == truth)[sure].float())
        return float(np.mean([float(torch.cat(answers).mean()) for answers in right.values()]))

    def _pairs(self, batch: RegionWindows) -> list[tuple[Tensor, Tensor]]:
        """For each step: logits of being one region, and the share of area that is."""
        cells = self._module(guide_pixels(batch.images.to(self._device)))
        unit = functional.normalize(cells, dim=1)
        shares = _shares(batch.regions.to(self._device), cells.shape[2:])
        return [
            (self._module.logits(_products(unit, step)), _products(shares, step).clamp(0, 1))
            for step in _STEPS
        ]


class _Compared(nn.Module):
    """The network, and how cosines of its cells are read in training."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.scale = nn.Parameter(torch.tensor(_FIRST_SCALE))
        self.middle = nn.Parameter(torch.tensor(_FIRST_MIDDLE))

    def forward(self, windows: Tensor) -> Tensor:
        cells: Tensor = self.network(windows)
        return cells

    def logits(self, cosines: Tensor) -> Tensor:
        return self.scale * (cosines - self.middle)


def _shares(regions: Tensor, grid: torch.Size) -> Tensor:
    """(windows, side, side) -> (windows, regions, rows, columns): what covers each cell."""
    planes = functional.one_hot(regions).permute(0, 3, 1, 2).float()
    return functional.adaptive_avg_pool2d(planes, (int(grid[0]), int(grid[1])))


def _products(values: Tensor, step: tuple[int, int]) -> Tensor:
    """(windows, width, rows, columns) -> (windows, ...): each cell times the one a step away."""
    down, right = step
    rows, columns = values.shape[2:]
    first = values[:, :, : rows - down, max(-right, 0) : columns - max(right, 0)]
    second = values[:, :, down:, max(right, 0) : columns + min(right, 0)]
    return (first * second).sum(dim=1)


@dataclass(frozen=True, slots=True)
class GuideRecipe:
    """A table of the file each; a table left out has its defaults."""

    system: str = GUIDE
    sizes: GuideSizes = field(default_factory=GuideSizes)
    pictures: GuidePictures = field(default_factory=GuidePictures)
    loop: LoopOptions = field(default_factory=lambda: LoopOptions(precision="fp32"))

    def train(
        self,
        run_folder: Path,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        device: torch.device = _CPU,
        peers: Peers = ALONE,
    ) -> Outcome:
        """Train, or go on where the run folder left off."""
        training = GuideTraining(self.sizes, self.loop.seed, device)
        source = GuideWindows(self.pictures, self.loop.seed)
        held_out = GuideWindows(self.pictures, _HELD_OUT).batch(0)
        return train(
            training,
            source,
            self.loop,
            run_folder,
            on_progress,
            peers,
            score=lambda: training.score(held_out),
        )

    def export(self, run_folder: Path, folder: Path) -> None:
        """Write the averaged weights of the last checkpoint as a folder for `load_guide`."""
        checkpoint = last_checkpoint(run_folder)
        prefix = "network."
        state = {
            name.removeprefix(prefix): weights
            for name, weights in checkpoint.averaged.items()
            if name.startswith(prefix)
        }
        card = SystemCard(
            system=self.system, parts=asdict(self.sizes), trained_steps=checkpoint.step
        )
        write_system(folder, card, state)
