"""Against numbers that the published code computed with the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from backbones.tiny_towers import open_clip_visual, tiny_card
from open_clip.transformer import QuickGELU
from open_clip.transformer import VisionTransformer as OpenClipTransformer
from safetensors.torch import load_file
from torch import Tensor

from ovseg_annotate.backbones.open_clip_vit import OpenClipVision
from ovseg_annotate.backbones.positions import PositionRule
from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size

FIXTURES = Path(__file__).parent.parent / "fixtures"
TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}  # as clip_dense_lastblock.json has it


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    return load_file(FIXTURES / "clip_dense_lastblock.safetensors")


def fixture_tower(positions: PositionRule) -> OpenClipVision:
    visual = OpenClipTransformer(64, 16, 64, 4, 4, 4.0, output_dim=32, act_layer=QuickGELU)
    weights = load_file(FIXTURES / "clip_vit_tiny.safetensors")
    visual.load_state_dict({name.removeprefix("weights."): w for name, w in weights.items()})
    visual.eval().requires_grad_(requires_grad=False)
    card = tiny_card(stride=16)
    return OpenClipVision(visual, card, positions)


def whole(tower: OpenClipVision, images: Tensor) -> Tensor:
    tokens, grid = tower.embed(images)
    for block in tower.blocks_on(grid):
        tokens = block(tokens)
    return tower.project(tokens)


def test_the_class_token_gives_the_published_image_embedding(published: dict[str, Tensor]) -> None:
    tokens = whole(fixture_tower("published"), published["in.image_native"])
    torch.testing.assert_close(tokens[:, 0], published["out.encode_image_native"], **TOLERANCE)


@pytest.mark.parametrize("size", ["native", "large"])
def test_dense_tokens_are_the_published_ones(published: dict[str, Tensor], size: str) -> None:
    tokens = whole(fixture_tower("published"), published[f"in.image_{size}"])
    torch.testing.assert_close(tokens[:, 1:], published[f"out.vanilla_{size}"], **TOLERANCE)


def test_the_published_rule_gives_the_published_positions(published: dict[str, Tensor]) -> None:
    tower = fixture_tower("published")
    table = tower._positions.on(Size(6, 8), torch.float32)
    torch.testing.assert_close(table, published["diag.pos_embed_large"], **TOLERANCE)


def test_the_plain_rule_is_near_the_published_one_but_not_the_same(
    published: dict[str, Tensor],
) -> None:
    plain = whole(fixture_tower("size"), published["in.image_large"])
    exact = whole(fixture_tower("published"), published["in.image_large"])
    difference = (plain - exact).abs().max()
    assert 1e-2 < difference < 0.5


@pytest.mark.parametrize("windows", [1, 3, 8])
def test_an_opened_block_gives_the_numbers_of_the_library(windows: int) -> None:
    visual = open_clip_visual()
    tower = OpenClipVision(visual, tiny_card())
    generator = torch.Generator().manual_seed(windows)
    tokens = torch.randn(windows, 50, visual.conv1.out_channels, generator=generator)
    with torch.inference_mode():
        for block, of_library in zip(tower.blocks, visual.transformer.resblocks, strict=True):
            expected = of_library(tokens)
            torch.testing.assert_close(block(tokens), expected, atol=1e-6, rtol=1e-5)
            tokens = expected


def test_blocks_with_scaled_or_normalised_heads_are_refused() -> None:
    visual = open_clip_visual(qk_norm=True)
    with pytest.raises(ModelError, match="custom attention blocks"):
        OpenClipVision(visual, tiny_card())
