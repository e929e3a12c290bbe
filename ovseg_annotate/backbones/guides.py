"""Towers that know no words and tell regions apart: the second pair of eyes of LMSeg.

mini/lmseg                   a small network of convolutions that comes with the package
path/to/folder               another one of that kind
samvit_base_patch16/sa1b     the image tower of Segment Anything, as timm has it
random:samvit_base_patch16:SEED   numbers of the right shapes, for tests
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.backbones.checkpoints import fill, read_state
from ovseg_annotate.backbones.digests import RANDOM, digest_of_random, sha256_of
from ovseg_annotate.backbones.hub import HuggingFaceHub
from ovseg_annotate.backbones.network import fill_at_random
from ovseg_annotate.backbones.published import Published
from ovseg_annotate.backbones.system_folder import find_system
from ovseg_annotate.backbones.tower import TowerCard
from ovseg_annotate.errors import ModelError, WeightsError, listed_by_nearness
from ovseg_annotate.options import read_options

GUIDE = "guide"  # what the small network's folder is called, as a system
BUNDLED_GUIDE = "mini/lmseg"

_SAM_TOWERS = ("samvit_base_patch16", "samvit_large_patch16", "samvit_huge_patch16")
_SAM_TAG = "sa1b"
_SAM_STRIDE = 16
_SAM_WIDTH = 256  # of its neck, whatever its size
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class GuideSizes:
    """Of the small network."""

    widths: tuple[int, int, int] = (16, 32, 72)  # at 2, 4 and 8 px a cell
    blocks: tuple[int, int, int] = (1, 2, 3)
    out: int = 64

    @property
    def stride(self) -> int:
        return 1 << len(self.widths)


@dataclass(frozen=True, slots=True, eq=False)
class GuideTower:
    """A frozen network and what its numbers depend on."""

    name: str
    network: nn.Module  # (windows, 3, height, width) -> (windows, width, rows, columns)
    width: int
    stride: int  # pixels a cell covers
    mean: tuple[float, float, float]  # pixel normalisation of its training
    std: tuple[float, float, float]
    digest: str

    def cells(self, windows: Tensor, tower: TowerCard) -> Tensor:
        """Windows, normalised for `tower`, to cells (windows, width, ...) on that tower's grid."""
        grid = [side // tower.stride for side in windows.shape[2:]]
        wanted = [count * self.stride for count in grid]
        if wanted != list(windows.shape[2:]):
            windows = functional.interpolate(windows, wanted, mode="bilinear", antialias=True)
        with torch.no_grad():
            return self.network(self._normalised(windows, tower))  # type: ignore[no-any-return]

    def _normalised(self, windows: Tensor, tower: TowerCard) -> Tensor:
        theirs_mean, theirs_std, mean, std = (
            torch.tensor(values, device=windows.device, dtype=windows.dtype).view(3, 1, 1)
            for values in (tower.mean, tower.std, self.mean, self.std)
        )
        return (windows * theirs_std + theirs_mean - mean) / std


class SmallGuide(nn.Module):
    """Residual convolutions in three steps, each at half the side of the one before."""

    def __init__(self, sizes: GuideSizes) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        before = 3
        for width, blocks in zip(sizes.widths, sizes.blocks, strict=True):
            steps.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            steps.extend(_Residual(width) for _ in range(blocks))
            before = width
        self.steps = nn.Sequential(*steps)
        self.out = nn.Conv2d(before, sizes.out, 1)

    def forward(self, windows: Tensor) -> Tensor:
        cells: Tensor = self.out(self.steps(windows))
        return cells


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, planes: Tensor) -> Tensor:
        inner = functional.gelu(self.first(self.norm(planes)))
        summed: Tensor = planes + self.second(inner)
        return summed


class _SamCells(nn.Module):
    """timm's network without its head: the cells behind the neck."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, windows: Tensor) -> Tensor:
        trunk: Any = self.trunk
        cells: Tensor = trunk.forward_features(windows)
        return cells


def load_guide(name: str) -> GuideTower:
    """Load a guide by name: on the CPU, in float32, frozen; nothing is fetched."""
    if name.startswith(RANDOM):
        return _random_sam(name)
    configuration, _, tag = name.partition("/")
    if configuration in _SAM_TOWERS:
        return _published_sam(name, configuration, tag or _SAM_TAG)
    return _small_guide(name)


def guide_pixels(pictures: Tensor) -> Tensor:
    """uint8 pictures as the small network wants them."""
    mean, std = (
        torch.tensor(values, device=pictures.device).view(3, 1, 1)
        for values in (_IMAGENET_MEAN, _IMAGENET_STD)
    )
    return (pictures / 255.0 - mean) / std


def small_guide(sizes: GuideSizes, seed: int) -> SmallGuide:
    """The small network with its first numbers, to be trained."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return SmallGuide(sizes)


def _small_guide(name: str) -> GuideTower:
    try:
        folder = find_system(GUIDE, name)
    except ModelError as error:
        there_is = (BUNDLED_GUIDE, *(f"{tower}/{_SAM_TAG}" for tower in _SAM_TOWERS))
        raise ModelError(
            f"unknown guide {name!r}: not a folder that a training of one exported; there is: "
            f"{listed_by_nearness(name, there_is)}"
        ) from error
    sizes = read_options(GuideSizes, folder.card.parts)
    network = SmallGuide(sizes)
    state = {key: value.float() for key, value in read_state(folder.weights).items()}
    fill(network, state, folder.weights)
    digest = sha256_of(folder.weights)
    return _frozen(name, network, digest, width=sizes.out, stride=sizes.stride)


def _published_sam(name: str, configuration: str, tag: str) -> GuideTower:
    network = _empty_sam(configuration)
    repository = f"timm/{configuration}.{tag}"
    files = ("model.safetensors", "pytorch_model.bin")
    wanted = Published(
        configuration, tag, repository, files, _IMAGENET_MEAN, _IMAGENET_STD, "Apache-2.0"
    )
    file = HuggingFaceHub().cached(wanted)
    if file is None:
        raise WeightsError(
            f"the guide {name} is not on this machine, and guides are not fetched unasked; with a "
            f"connection run `hf download {repository}`; without one use {BUNDLED_GUIDE}"
        )
    fill(network, _without_head(read_state(file)), file)
    return _frozen(name, _SamCells(network), sha256_of(file), width=_SAM_WIDTH, stride=_SAM_STRIDE)


def _random_sam(name: str) -> GuideTower:
    configuration, _, seed = name.removeprefix(RANDOM).partition(":")
    if configuration not in _SAM_TOWERS or not (seed or "0").isdecimal():
        raise ModelError(
            f"expected {RANDOM}GUIDE or {RANDOM}GUIDE:SEED, got {name!r}; there is: "
            f"{listed_by_nearness(configuration, _SAM_TOWERS)}"
        )
    network = _empty_sam(configuration)
    fill_at_random(network, int(seed or "0"))
    digest = digest_of_random(name)
    return _frozen(name, _SamCells(network), digest, width=_SAM_WIDTH, stride=_SAM_STRIDE)


def _empty_sam(configuration: str) -> nn.Module:
    """Without numbers: drawing ninety million takes seconds and moves the caller's random state."""
    with torch.device("meta"):
        network: nn.Module = timm.create_model(configuration, num_classes=0)
    return network.to_empty(device="cpu")


def _without_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weights for name, weights in state.items() if not name.startswith("head.")}


def _frozen(name: str, network: nn.Module, digest: str, *, width: int, stride: int) -> GuideTower:
    network.eval().requires_grad_(requires_grad=False)
    return GuideTower(name, network, width, stride, _IMAGENET_MEAN, _IMAGENET_STD, digest)
