"""The tower and trunk of the published fixture, and tiny trunks of any make."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from engines.fixture_tower import facts_of, tensors_of
from open_clip.transformer import QuickGELU, VisionTransformer
from torch import Tensor, nn

from ovseg_annotate.backbones.catseg_checkpoint import read_catseg_checkpoint
from ovseg_annotate.backbones.checkpoints import fill
from ovseg_annotate.backbones.open_clip_vit import OpenClipVision
from ovseg_annotate.backbones.taps import TappedFeatures, tapped_features
from ovseg_annotate.backbones.tower import TowerCard
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.cost.trunk import CostTrunk
from ovseg_annotate.geometry import Size

NAME = "catseg"
TAPS = (1, 2)  # as catseg.json has them
PUBLISHED = TrunkSizes(
    shared=32,
    tower=32,
    hidden=32,
    heads=4,
    visual_guide=16,
    text_guide=16,
    taps=(16, 8),
    decoder=(32, 16),
    decoder_guides=(8, 4),
)
TINY = TrunkSizes(
    shared=8,
    tower=12,
    hidden=8,
    heads=2,
    window=4,
    visual_guide=6,
    text_guide=10,
    taps=(6, 5),
    decoder=(8, 6),
    decoder_guides=(3, 2),
)


@cache
def fixture_tower() -> OpenClipVision:
    model = facts_of(NAME)["model"]
    visual = VisionTransformer(
        image_size=model["image"],
        patch_size=model["patch"],
        width=model["width"],
        layers=model["layers"],
        heads=model["heads"],
        mlp_ratio=model["mlp_ratio"],
        output_dim=model["embed"],
        act_layer=QuickGELU,
    )
    visual.load_state_dict(_named("weights.visual."), strict=True)
    card = TowerCard(
        name="tiny",
        window=Size(model["image"], model["image"]),
        stride=model["patch"],
        width=model["embed"],
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        half_precision=True,
        weights_digest="0" * 64,
        licence="Apache-2.0",
    )
    return OpenClipVision(visual.eval().requires_grad_(False), card)


def published_checkpoint() -> dict[str, Tensor]:
    """The fixture's weights named as the public files name theirs."""
    state = {}
    for name, weights in _named("weights.visual.").items():
        prefix = f"sem_seg_head.predictor.clip_model.visual.{name}"
        if name.endswith("in_proj_weight"):
            for part, third in zip("qkv", weights.chunk(3), strict=True):
                state[prefix.replace("in_proj_weight", f"{part}_proj_weight")] = third.clone()
        else:
            state[prefix] = weights
    for name, weights in _named("weights.agg.").items():
        state[f"sem_seg_head.predictor.transformer.{name}"] = weights
    for name, weights in _named("weights.upsample").items():
        state[f"upsample{name}"] = weights
    mask = "sem_seg_head.predictor.transformer.layers.0.swin_block.block_2.attn_mask"
    return {**state, mask: torch.zeros(4, 144, 144), "pixel_mean": torch.zeros(3, 1, 1)}


def write_checkpoint(file: Path, state: dict[str, Tensor]) -> Path:
    torch.save({"model": state, "iteration": 80_000}, file)
    return file


def fixture_trunk(folder: Path, options: TrunkOptions) -> CostTrunk:
    """With the weights of the fixture, through a file of the published kind."""
    file = write_checkpoint(folder / "model.pth", published_checkpoint())
    trunk = CostTrunk(PUBLISHED, options)
    fill(trunk, read_catseg_checkpoint(file).trunk, file)
    return trunk.eval()


def fixture_features(images: Tensor) -> TappedFeatures:
    with torch.no_grad():
        return tapped_features(fixture_tower(), images, TAPS, "values_on_class")


def tiny_trunk(options: TrunkOptions, seed: int = 0, sizes: TrunkSizes = TINY) -> CostTrunk:
    return seeded(lambda: CostTrunk(sizes, options, seed))


Module = TypeVar("Module", bound=nn.Module)


def seeded(make: Callable[[], Module]) -> Module:
    """The same weights each time, far from any symmetry: no gain is 1, no shift 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = make()
        with torch.no_grad():
            for weights in module.parameters():
                weights.add_(torch.randn(weights.shape), alpha=0.1)
    return module.eval()


def tiny_features(
    windows: int, rows: int, columns: int, sizes: TrunkSizes = TINY
) -> TappedFeatures:
    generator = torch.Generator().manual_seed(rows * columns)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(windows, *shape, generator=generator)

    return TappedFeatures(
        cells=drawn(sizes.shared, rows, columns),
        taps=drawn(2, sizes.tower, rows, columns),
        whole=drawn(sizes.shared),
    )


def tiny_text(concepts: int, windows: int = 1, sizes: TrunkSizes = TINY) -> Tensor:
    generator = torch.Generator().manual_seed(concepts)
    return torch.randn(windows, concepts, sizes.phrases, sizes.shared, generator=generator)


def assert_near(ours: Tensor, expected: Tensor, relative: float = 1e-5) -> None:
    """Equal up to a share of the largest value, which must not be nothing."""
    largest = expected.abs().max().item()
    assert largest > 1e-3
    torch.testing.assert_close(ours, expected, atol=relative * largest, rtol=0.0)


def _named(prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): weights
        for name, weights in tensors_of(NAME).items()
        if name.startswith(prefix)
    }
