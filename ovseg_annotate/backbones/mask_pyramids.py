"""What a mask transformer sees: levels of features, from fine to coarse.

Either the cells of a frozen tower beside a fine level that is learnt, or a network of timm.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from ovseg_annotate.backbones.taps import tapped_features
from ovseg_annotate.backbones.tower import VisionTower
from ovseg_annotate.errors import ModelError, OptionError, WeightsError
from ovseg_annotate.geometry import Size

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_FINE_STRIDE = 4
_VIT_STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class PyramidParts:
    """Which features; exactly one of `tower` and `timm` is named."""

    tower: str = ""  # a frozen tower with a class token, as in ENGINE@WEIGHTS: mini
    timm: str = ""  # a network that is trained too: swin_small_patch4_window7_224
    weights: str = ""  # a file of timm's to start the network from; empty: from nothing
    fine: int = 32  # width of a level of 4 px beside a tower; 0: its own cells are the finest
    side: int = 224  # of the windows of a timm network, in pixels

    def __post_init__(self) -> None:
        if self.fine < 0:
            raise OptionError(f"pyramid 'fine': got {self.fine}; it must not be negative")
        if bool(self.tower) == bool(self.timm):
            raise OptionError(
                f"a pyramid stands on one network: got tower {self.tower!r} and timm "
                f"{self.timm!r}; name exactly one of them"
            )


class TowerPyramid(nn.Module):
    """The last tokens that a frozen tower makes before its final block, and edges as they are.

    The tower is no part of the module: it is neither trained nor saved with it.
    """

    def __init__(self, tower: VisionTower, fine: int) -> None:
        super().__init__()
        self._tower = tower
        self._tap = len(tower.blocks) - 2
        if self._tap < 0 or tower.card.stride % _FINE_STRIDE:
            raise ModelError(
                f"{tower.card.name} cannot carry a mask transformer: it needs two blocks or more "
                f"and cells of a multiple of {_FINE_STRIDE} px; choose another tower"
            )
        width = _width_of(tower)
        self.widths: tuple[int, ...] = (fine, width) if fine else (width,)  # finest level first
        self.multiple_of = tower.card.stride  # sides of pictures
        # Pixels a cell of the finest level covers.
        self.stride = _FINE_STRIDE if fine else tower.card.stride
        self.edges = _edges(fine) if fine else None

    @torch.no_grad()
    def cells(self, pictures: Tensor) -> Tensor:
        """(pictures, width of the tower, rows, columns)."""
        return tapped_features(self._tower, pictures, (self._tap,), "values").taps[:, 0]

    def forward(self, pictures: Tensor, cells: Tensor | None) -> list[Tensor]:
        """(pictures, 3, height, width), normalised; `cells` of them where they are known."""
        coarse = self.cells(pictures) if cells is None else cells.to(pictures.dtype)
        return [coarse] if self.edges is None else [self.edges(pictures), coarse]


class TimmPyramid(nn.Module):
    """The stages of a hierarchical network; a plain transformer's layers, brought to four sizes."""

    def __init__(self, parts: PyramidParts) -> None:
        super().__init__()
        self.network: Any = _timm_network(parts)
        strides: list[int] = self.network.feature_info.reduction()
        widths: list[int] = self.network.feature_info.channels()
        self._width_last = self.network.output_fmt.value == "NHWC"
        self._first = sum(stride < _FINE_STRIDE for stride in strides)  # levels finer than needed
        self.resamplings: nn.ModuleList | None = None
        if len(set(strides)) == 1:
            self.resamplings = _to_four_sizes(widths)
            strides = list(_VIT_STRIDES)
        self.widths = tuple(widths[self._first :])
        self.multiple_of = max(strides)
        self.stride = strides[self._first]

    def forward(self, pictures: Tensor, cells: Tensor | None) -> list[Tensor]:
        del cells  # this network is trained: what it saw before does not count
        levels: list[Tensor] = self.network(pictures)[self._first :]
        if self._width_last:
            levels = [level.permute(0, 3, 1, 2) for level in levels]
        if self.resamplings is None:
            return levels
        return [
            resampling(level) for level, resampling in zip(levels, self.resamplings, strict=True)
        ]


class FrozenCells(nn.Module):
    """The patch tokens of a frozen transformer of timm: DINO for pseudo-masks."""

    def __init__(self, name: str, weights: Path) -> None:
        super().__init__()
        self.network: Any = _made(name, weights, {"num_classes": 0, "dynamic_img_size": True})
        self.network.eval().requires_grad_(requires_grad=False)

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> tuple[Tensor, Size]:
        """(pictures, 3, height, width), normalised -> (pictures, cells, width), grid."""
        tokens: Tensor = self.network.forward_features(pictures)
        step: int = self.network.patch_embed.patch_size[0]
        grid = Size(pictures.shape[2] // step, pictures.shape[3] // step)
        return tokens[:, self.network.num_prefix_tokens :], grid


def _edges(width: int) -> nn.Sequential:
    half = max(width // 2, 1)
    return nn.Sequential(
        nn.Conv2d(3, half, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(half, width, 3, stride=2, padding=1),
        nn.ReLU(),
    )


def _timm_network(parts: PyramidParts) -> Any:
    file = Path(parts.weights).expanduser() if parts.weights else None
    name = parts.timm
    if name.startswith(("vit_", "test_vit")):
        wanted = {"features_only": True, "out_indices": 4, "dynamic_img_size": True}
        return _made(name, file, wanted)
    extra = {"strict_img_size": False} if name.startswith("swin") else {}
    return _made(name, file, {"features_only": True, **extra})


def _made(name: str, file: Path | None, wanted: dict[str, Any]) -> Any:
    if name not in timm.list_models() and name.split(".", maxsplit=1)[0] not in timm.list_models():
        close = (
            ", ".join(timm.list_models(f"{name.split('_', maxsplit=1)[0]}*")[:8])
            or "see timm.list_models"
        )
        raise ModelError(f"timm has no network {name!r}; there is: {close}")
    if file is not None and not file.is_file():
        raise WeightsError(
            f"{file}: no such file; fetch it first, for example with: hf download timm/{name} "
            "model.safetensors"
        )
    overlay: dict[str, Any] = (
        {} if file is None else {"pretrained_cfg_overlay": {"file": str(file)}}
    )
    try:
        return timm.create_model(name, pretrained=file is not None, **overlay, **wanted)
    except (RuntimeError, KeyError, TypeError) as error:
        raise WeightsError(f"{file or name}: timm cannot build {name} of it: {error}") from error


def _to_four_sizes(widths: list[int]) -> nn.ModuleList:
    """From the one size of a plain transformer to a quarter, half, once and twice its cells."""
    first, second, _, _ = widths
    return nn.ModuleList(
        [
            nn.Sequential(
                nn.ConvTranspose2d(first, first, 2, stride=2),
                nn.GELU(),
                nn.ConvTranspose2d(first, first, 2, stride=2),
            ),
            nn.ConvTranspose2d(second, second, 2, stride=2),
            nn.Identity(),
            nn.MaxPool2d(2),
        ]
    )


@torch.no_grad()
def _width_of(tower: VisionTower) -> int:
    window = tower.card.window
    tokens, _ = tower.embed(torch.zeros(1, 3, window.height, window.width))
    return tokens.shape[2]
