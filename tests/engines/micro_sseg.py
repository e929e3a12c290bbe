"""A tiny S-Seg with random weights, as a folder that a training exports."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from backbones.micro import write_micro_clip

from ovseg_annotate.backbones.mask_pyramids import PyramidParts
from ovseg_annotate.backbones.mask_text import TextParts
from ovseg_annotate.backbones.system_folder import SystemCard, write_system
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.masks.network import MaskParts, build_mask_network
from ovseg_annotate.masks.sizes import MaskSizes

MICRO_SIZES = MaskSizes(
    hidden=16, heads=2, feedforward=16, layers=2, queries=6, shared=12, dropout=0.0
)
MICRO_TEXT = TextParts(pieces="mini", width=16, layers=1, heads=2, longest=24)


def micro_parts(tower: str, fine: int = 4) -> MaskParts:
    return MaskParts(PyramidParts(tower=tower, fine=fine), MICRO_SIZES, MICRO_TEXT)


def write_micro_sseg(folder: Path, seed: int = 0, fine: int = 4) -> Path:
    """`sseg@folder` opens it; its tower lies inside."""
    tower = str(write_micro_clip(folder / "tower"))
    clip = load_clip(tower)
    parts = micro_parts(tower, fine)
    card = SystemCard(
        system="sseg", tower=tower, tower_digest=clip.card.weights_digest, parts=asdict(parts)
    )
    write_system(folder, card, build_mask_network(parts, clip, seed).state_dict())
    return folder
