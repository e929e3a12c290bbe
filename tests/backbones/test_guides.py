"""Towers that tell regions apart."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import timm
import torch
from backbones.tiny_towers import tiny_card
from timm.models.vision_transformer_sam import VisionTransformerSAM
from torch import Tensor, nn

from ovseg_annotate.backbones.guides import (
    BUNDLED_GUIDE,
    GuideSizes,
    GuideTower,
    load_guide,
    small_guide,
)
from ovseg_annotate.backbones.hub import HuggingFaceHub
from ovseg_annotate.backbones.system_folder import SystemCard, write_system
from ovseg_annotate.errors import ModelError, WeightsError

SMALL = GuideSizes(widths=(4, 6, 8), blocks=(1, 1, 1), out=7)


def write_small_guide(folder: Path, sizes: GuideSizes = SMALL, seed: int = 0) -> Path:
    card = SystemCard(system="guide", parts=asdict(sizes))
    write_system(folder, card, small_guide(sizes, seed).state_dict())
    return folder


def windows(height: int, width: int) -> Tensor:
    return torch.randn((2, 3, height, width), generator=torch.Generator().manual_seed(0))


class TestSmallGuide:
    def test_a_folder_that_was_written_opens(self, tmp_path: Path) -> None:
        guide = load_guide(str(write_small_guide(tmp_path)))
        assert (guide.width, guide.stride) == (7, 8)
        assert guide.cells(windows(32, 40), tiny_card()).shape == (2, 7, 4, 5)
        assert not any(weights.requires_grad for weights in guide.network.parameters())

    def test_the_bundled_one_is_small(self) -> None:
        guide = load_guide(BUNDLED_GUIDE)
        assert sum(weights.numel() for weights in guide.network.parameters()) * 2 < 1e6
        assert guide.stride == 8

    def test_cells_lie_on_the_grid_of_the_tower_whatever_its_stride(self, tmp_path: Path) -> None:
        guide = load_guide(str(write_small_guide(tmp_path)))
        assert guide.cells(windows(32, 48), tiny_card(stride=16)).shape == (2, 7, 2, 3)

    def test_the_normalisation_of_the_tower_is_undone(self, tmp_path: Path) -> None:
        guide = load_guide(str(write_small_guide(tmp_path)))
        pixels = windows(32, 32).sigmoid()
        one = replace(tiny_card(), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
        other = replace(tiny_card(), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
        cells = [
            guide.cells((pixels - column(card.mean)) / column(card.std), card)
            for card in (one, other)
        ]
        torch.testing.assert_close(cells[0], cells[1], atol=1e-4, rtol=1e-4)

    def test_other_weights_have_another_digest(self, tmp_path: Path) -> None:
        digests = {
            load_guide(str(write_small_guide(tmp_path / str(seed), seed=seed))).digest
            for seed in (0, 1)
        }
        assert len(digests) == 2

    def test_weights_of_other_sizes_are_refused(self, tmp_path: Path) -> None:
        card = SystemCard(system="guide", parts=asdict(SMALL))
        other = replace(SMALL, widths=(4, 6, 10))
        write_system(tmp_path, card, small_guide(other, 0).state_dict())
        with pytest.raises(WeightsError, match="belongs to another configuration"):
            load_guide(str(tmp_path))


class TestSegmentAnything:
    def test_a_small_network_of_that_kind_gives_cells_on_the_towers_grid(self) -> None:
        network = VisionTransformerSAM(
            img_size=64,
            patch_size=16,
            num_classes=0,
            embed_dim=32,
            depth=2,
            num_heads=2,
            neck_chans=12,
            use_rel_pos=True,
            window_size=2,
            global_attn_indexes=(1,),
        )
        guide = GuideTower("tiny", _Cells(network), 12, 16, (0.5,) * 3, (0.5,) * 3, "0" * 64)
        assert guide.cells(windows(32, 48), tiny_card(stride=8)).shape == (2, 12, 4, 6)

    def test_the_names_are_those_of_timm(self) -> None:
        assert timm.is_model("samvit_base_patch16")

    def test_weights_that_are_not_here_are_not_fetched(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "ovseg_annotate.backbones.guides.HuggingFaceHub",
            lambda: HuggingFaceHub(endpoint="http://127.0.0.1:9", cache=tmp_path),
        )
        with pytest.raises(WeightsError, match=r"hf download timm/samvit_base_patch16\.sa1b"):
            load_guide("samvit_base_patch16/sa1b")


class _Cells(nn.Module):
    def __init__(self, trunk: VisionTransformerSAM) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, images: Tensor) -> Tensor:
        cells: Tensor = self.trunk.forward_features(images)
        return cells


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere", "unknown guide 'nowhere'.*mini/lmseg"),
        ("random:vit_base", "expected random:GUIDE"),
        ("random:samvit_base_patch16:x", "expected random:GUIDE"),
    ],
)
def test_a_name_that_means_nothing_is_refused(name: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        load_guide(name)


def column(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values).view(3, 1, 1)
