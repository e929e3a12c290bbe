"""Which of open_clip's configurations can give dense features, and by which adapter."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import open_clip

from ovseg_annotate.errors import ModelError, listed_by_nearness

Configuration = Mapping[str, Any]  # an open_clip `model_cfg`: its own words, read at this border


class TowerKind(StrEnum):
    """One adapter each."""

    VIT = "vit"  # open_clip's own, read at the class token
    CLIPA = "clipa"  # open_clip's own, averaged over the grid
    SIGLIP = "siglip"  # timm, no class token, attention pooling
    EVA = "eva"  # timm, EVA and EVA02: rotary positions, split projections, post-norm
    TIMM_VIT = "timm_vit"  # timm, class token: MobileCLIP-B and -L
    CONVNEXT = "convnext"


# timm's names, by their beginning.
_TIMM_KINDS = {
    "vit_base_mci_": TowerKind.TIMM_VIT,
    "vit_large_patch14_clip_": TowerKind.TIMM_VIT,
    "eva_giant_": TowerKind.EVA,
    "eva02_": TowerKind.EVA,
    "convnext_": TowerKind.CONVNEXT,
}
_TIMM_REASONS = {
    "vit_pe_": "rotary positions together with attention pooling are not written yet",
    "fastvit_": "its mixing of convolution and attention has no last attention block to replace",
    "vitamin_": "its convolutional stem and averaging leave no class token to read",
    "swin_": "its attention is confined to shifted windows",
    "vit_relpos_": "its relative positions belong to one grid",
    "vit_medium_patch16_gap_": "it averages without a class token",
}


def kind_of(configuration: Configuration) -> TowerKind | None:
    """The adapter for an open_clip configuration; None where there is none."""
    vision = configuration["vision_cfg"]
    timm_name = vision.get("timm_model_name")
    if timm_name:
        return _timm_kind(timm_name, vision.get("timm_pool"))
    if isinstance(vision.get("layers"), (list, tuple)) or vision.get("attentional_pool"):
        return None
    return TowerKind.CLIPA if vision.get("pool_type", "tok") == "avg" else TowerKind.VIT


def _timm_kind(timm_name: str, pooling: str | None) -> TowerKind | None:
    if "_siglip_" in timm_name and pooling == "map":
        return TowerKind.SIGLIP
    for beginning, kind in _TIMM_KINDS.items():
        if timm_name.startswith(beginning):
            return kind
    return None


def supported_configurations() -> tuple[str, ...]:
    """Every configuration that open_clip ships and an adapter can read."""
    return tuple(
        name
        for name in open_clip.list_models()
        if kind_of(open_clip.get_model_config(name)) is not None
    )


def require_kind(name: str, configuration: Configuration) -> TowerKind:
    """The adapter for a configuration, or an error that says why not and names alternatives."""
    kind = kind_of(configuration)
    if kind is None:
        raise ModelError(
            f"{name} cannot give dense features: {_reason(configuration['vision_cfg'])}; "
            f"use one of: {listed_by_nearness(name, supported_configurations(), limit=8)}"
        )
    return kind


def _reason(vision: Configuration) -> str:
    timm_name = vision.get("timm_model_name") or ""
    for beginning, reason in _TIMM_REASONS.items():
        if timm_name.startswith(beginning):
            return reason
    if timm_name:
        return f"there is no adapter for the timm network {timm_name}"
    if vision.get("attentional_pool"):
        return "it pools with learned queries behind the last block"
    return "it is a ResNet with attention pooling, whose only dense map is too coarse"
