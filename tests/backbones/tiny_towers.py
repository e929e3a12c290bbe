"""Tiny towers of every kind: the libraries' own classes at sizes that run in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import open_clip
import torch
from timm.layers import HybridEmbed
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_hybrid import ConvStem
from torch import Tensor, nn

from ovseg_annotate.backbones.conv import ConvNextVision
from ovseg_annotate.backbones.eva import EvaVision
from ovseg_annotate.backbones.network import fill_at_random
from ovseg_annotate.backbones.open_clip_vit import OpenClipVision
from ovseg_annotate.backbones.timm_vit import (
    TimmVision,
    attention_pool_projection,
    class_token_projection,
)
from ovseg_annotate.backbones.tower import TowerCard, VisionTower
from ovseg_annotate.geometry import Size

NATIVE = 32
STRIDE = 8
WIDTH = 48
SHARED = 24


@dataclass(frozen=True, slots=True)
class TinyTower:
    visual: Any  # the library's network: images -> (batch, shared width)
    vision: VisionTower
    pool: Callable[[Tensor], Tensor]  # its reading of the tokens behind the last block


class TimmWrapper(nn.Module):
    """What open_clip puts around a trunk of timm, without its table of names."""

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        embedded: Tensor = self.head(self.trunk(images))
        return embedded


def tiny_card(stride: int = STRIDE) -> TowerCard:
    return TowerCard(
        name="tiny",
        window=Size(NATIVE, NATIVE),
        stride=stride,
        width=SHARED,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        half_precision=True,
        weights_digest="0" * 64,
        licence="none (random)",
    )


def open_clip_visual(**settings: Any) -> Any:
    shape = {"image_size": NATIVE, "patch_size": STRIDE, "width": WIDTH, "layers": 3}
    vision = {**shape, "head_width": 16, **settings}
    text = {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
    return _ready(open_clip.CLIP(SHARED, vision, text)).visual


def plain() -> TinyTower:
    return _with_class_token(OpenClipVision, open_clip_visual())


def layer_scale() -> TinyTower:
    return _with_class_token(OpenClipVision, open_clip_visual(ls_init_value=0.3))


def clipa() -> TinyTower:
    visual = open_clip_visual(pool_type="avg", final_ln_after_pool=True, no_ln_pre=True)
    vision = OpenClipVision(visual, tiny_card())
    return TinyTower(visual, vision, lambda tokens: vision.project(tokens[:, 1:].mean(dim=1)))


def siglip() -> TinyTower:
    trunk = VisionTransformer(**_TIMM, class_token=False, global_pool="map", num_classes=0)
    visual = _ready(TimmWrapper(trunk, nn.Sequential()))
    vision = TimmVision(visual, tiny_card(), attention_pool_projection)
    return TinyTower(visual, vision, lambda tokens: trunk.forward_head(trunk.norm(tokens)))


def clip_of_timm() -> TinyTower:
    trunk = VisionTransformer(**_TIMM, pre_norm=True, num_classes=SHARED)
    return _with_class_token(_of_timm, _ready(TimmWrapper(trunk, nn.Sequential())))


def mobile_clip() -> TinyTower:
    stem = ConvStem(channels=(12, 12, WIDTH), stride=(2, 2, 2), kernel_size=(2, 2, 2), padding=0)
    embed = partial(HybridEmbed, backbone=stem, proj=False)
    settings = {**_TIMM, "patch_size": 1, "embed_layer": embed, "no_embed_class": True}
    trunk = VisionTransformer(**settings, num_classes=SHARED)
    return _with_class_token(_of_timm, _ready(TimmWrapper(trunk, nn.Sequential())))


def eva02() -> TinyTower:
    trunk = Eva(
        **_TIMM,
        num_classes=SHARED,
        global_pool="token",
        qkv_fused=False,
        swiglu_mlp=True,
        scale_mlp=True,
        scale_attn_inner=True,
        use_rot_pos_emb=True,
        ref_feat_shape=(5, 5),
    )
    return _with_class_token(EvaVision, _ready(TimmWrapper(trunk, nn.Sequential())))


def eva01() -> TinyTower:
    trunk = Eva(**_TIMM, num_classes=SHARED, global_pool="token", init_values=0.3)
    return _with_class_token(EvaVision, _ready(TimmWrapper(trunk, nn.Sequential())))


def eva_post_norm() -> TinyTower:
    trunk = Eva(**_TIMM, num_classes=SHARED, global_pool="token", use_post_norm=True)
    return _with_class_token(EvaVision, _ready(TimmWrapper(trunk, nn.Sequential())))


TRANSFORMERS: dict[str, Callable[[], TinyTower]] = {
    made.__name__: made
    for made in (
        plain,
        layer_scale,
        clipa,
        siglip,
        clip_of_timm,
        mobile_clip,
        eva02,
        eva01,
        eva_post_norm,
    )
}


def convnext() -> tuple[Any, ConvNextVision]:
    trunk = ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 8, 16, WIDTH), num_classes=0)
    visual = _ready(TimmWrapper(trunk, nn.Linear(WIDTH, SHARED, bias=False)))
    return visual, ConvNextVision(visual, tiny_card(stride=32))


def images(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


_TIMM: dict[str, Any] = {
    "img_size": NATIVE,
    "patch_size": STRIDE,
    "embed_dim": WIDTH,
    "depth": 3,
    "num_heads": 3,
}


def _of_timm(visual: Any, card: TowerCard) -> VisionTower:
    return TimmVision(visual, card, class_token_projection)


def _ready(network: Any) -> Any:
    fill_at_random(network, seed=1)
    return network.eval().requires_grad_(requires_grad=False)


def _with_class_token(adapter: Callable[[Any, TowerCard], VisionTower], visual: Any) -> TinyTower:
    vision = adapter(visual, tiny_card())
    return TinyTower(visual, vision, lambda tokens: vision.project(tokens[:, 0]))
