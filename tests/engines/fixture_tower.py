"""The tiny tower of the published fixtures, and how a fixture is read and compared."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import torch
from open_clip.transformer import QuickGELU, VisionTransformer
from safetensors.torch import load_file
from torch import Tensor

from ovseg_annotate.backbones.open_clip_vit import OpenClipVision
from ovseg_annotate.backbones.tower import TowerCard
from ovseg_annotate.geometry import Size

FIXTURES = Path(__file__).parent.parent / "fixtures"


def facts_of(name: str) -> dict[str, object]:
    facts: dict[str, object] = json.loads((FIXTURES / f"{name}.json").read_text())
    return facts


@cache
def tensors_of(name: str) -> dict[str, Tensor]:
    return load_file(FIXTURES / f"{name}.safetensors")


@cache
def fixture_tower() -> OpenClipVision:
    """With the positions of the published code."""
    model = facts_of("clip_vit_tiny")["model"]
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
    weights = {
        key.removeprefix("weights."): value for key, value in tensors_of("clip_vit_tiny").items()
    }
    visual.load_state_dict(weights, strict=True)
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
    return OpenClipVision(visual.eval().requires_grad_(False), card, positions="published")


def assert_as_published(ours: Tensor, name: str, tensor: str) -> None:
    """Within the tolerance that the fixture states."""
    tolerance = facts_of(name)["tolerance"]
    torch.testing.assert_close(
        ours, tensors_of(name)[tensor], atol=tolerance["atol"], rtol=tolerance["rtol"]
    )
