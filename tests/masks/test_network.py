"""The network as a whole: shapes of every make, and what it must not depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from backbones.micro import write_micro_clip
from engines.micro_sseg import MICRO_SIZES, MICRO_TEXT, micro_parts

from ovseg_annotate.backbones.mask_pyramids import PyramidParts, TimmPyramid
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.errors import ModelError, OptionError, WeightsError
from ovseg_annotate.masks.network import MaskNetwork, MaskParts, build_mask_network
from ovseg_annotate.masks.sizes import MaskSizes


def micro_network(folder: Path, *, within_masks: bool = False) -> MaskNetwork:
    tower = str(write_micro_clip(folder / "tower"))
    parts = micro_parts(tower)
    parts = replace(parts, sizes=replace(parts.sizes, within_masks=within_masks))
    return build_mask_network(parts, load_clip(tower), seed=0).eval()


@pytest.mark.parametrize("within_masks", [False, True])
def test_a_picture_alone_gives_the_masks_it_gives_among_others(
    tmp_path: Path, within_masks: bool
) -> None:
    network = micro_network(tmp_path, within_masks=within_masks)
    pictures = torch.randn(3, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    together, alone = network.see(pictures), network.see(pictures[1:2])
    layers = MICRO_SIZES.layers + within_masks
    assert together.masks.shape == (layers, 3, MICRO_SIZES.queries, 8, 12)
    torch.testing.assert_close(together.masks[:, 1:2], alone.masks, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(together.vectors[1:2], alone.vectors, atol=1e-4, rtol=1e-3)


def test_texts_are_read_alike_whatever_stands_beside_them(tmp_path: Path) -> None:
    text = micro_network(tmp_path).text
    texts = ["red", "a red circle on blue water"]
    both, one = text(text.pieces.cut(texts)), text(text.pieces.cut(texts[:1]))
    torch.testing.assert_close(both[:1], one, atol=1e-5, rtol=1e-4)


def test_the_same_seed_builds_the_same_and_leaves_the_random_state_alone(tmp_path: Path) -> None:
    tower = str(write_micro_clip(tmp_path / "tower"))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    states = [
        build_mask_network(micro_parts(tower), load_clip(tower), 3).state_dict() for _ in range(2)
    ]
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("name", ["test_vit", "resnet10t", "swin_tiny_patch4_window7_224"])
def test_networks_of_timm_give_levels_from_fine_to_coarse(name: str) -> None:
    pyramid = TimmPyramid(PyramidParts(timm=name)).eval()
    with torch.no_grad():
        levels = pyramid(torch.zeros(1, 3, 64, 96), None)
    assert tuple(level.shape[1] for level in levels) == pyramid.widths
    assert [64 // level.shape[2] for level in levels] == [4, 8, 16, 32]
    assert (pyramid.stride, pyramid.multiple_of) == (4, 32)


def test_an_unknown_network_and_missing_weights_say_what_to_do() -> None:
    with pytest.raises(ModelError, match="timm has no network"):
        TimmPyramid(PyramidParts(timm="swin_colossal"))
    with pytest.raises(WeightsError, match="hf download"):
        TimmPyramid(PyramidParts(timm="resnet10t", weights="nowhere.safetensors"))


def test_a_tower_that_was_not_loaded_is_told() -> None:
    with pytest.raises(ModelError, match="class token"):
        MaskNetwork(MaskParts(PyramidParts(tower="mini"), MICRO_SIZES, MICRO_TEXT), None)


@pytest.mark.parametrize("wrong", [{"queries": 0}, {"hidden": 30}, {"dropout": 1.0}])
def test_sizes_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        MaskSizes(**wrong)  # type: ignore[arg-type]
