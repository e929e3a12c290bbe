"""The bundled tower: an ordinary open_clip model of a small shape, and how it is initialised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ovseg_annotate.backbones.network import fresh_network
from ovseg_annotate.errors import OptionError

# Mimetic initialisation of self-attention layers (Trockman and Kolter, 2023), table 1: queries
# and keys start almost alike, values times projection start close to minus identity.
_QUERY_KEY_NOISE, _QUERY_KEY_IDENTITY = 0.7, 0.7
_VALUE_NOISE, _VALUE_IDENTITY = 0.4, 0.4
_POSITION_AMPLITUDE = 0.5


@dataclass(frozen=True, slots=True)
class MiniShape:
    """The sizes of both towers, in open_clip's words."""

    image_size: int = 96  # pixels, both sides
    patch_size: int = 8
    width: int = 192
    layers: int = 6
    head_width: int = 64  # 64 is the width that CPU attention is quick at
    embed_dim: int = 128
    text_width: int = 128
    text_layers: int = 3
    context_length: int = 20

    @property
    def grid(self) -> int:
        return self.image_size // self.patch_size

    @property
    def vision_config(self) -> dict[str, int]:
        return {
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "width": self.width,
            "layers": self.layers,
            "head_width": self.head_width,
        }

    def text_config(self, vocabulary_size: int) -> dict[str, int]:
        return {
            "context_length": self.context_length,
            "vocab_size": vocabulary_size,
            "width": self.text_width,
            "heads": max(1, self.text_width // 64),
            "layers": self.text_layers,
        }


def build_mini(shape: MiniShape, vocabulary_size: int, seed: int) -> nn.Module:
    """A freshly initialised open_clip model; the same seed gives the same weights."""
    model: Any = fresh_network(
        {
            "embed_dim": shape.embed_dim,
            "vision_cfg": shape.vision_config,
            "text_cfg": shape.text_config(vocabulary_size),
        }
    )
    initialise(model, shape, seed)
    return cast(nn.Module, model)


@torch.no_grad()
def initialise(model: Any, shape: MiniShape, seed: int) -> None:
    """open_clip leaves its vision tower at torch's defaults; a short run needs a better start."""
    generator = torch.Generator().manual_seed(seed)
    visual = model.visual
    for block in visual.transformer.resblocks:
        _initialise_block(block, shape.layers, generator)
    for block in model.transformer.resblocks:
        _initialise_block(block, shape.text_layers, generator)
    patch_inputs = 3 * shape.patch_size**2
    visual.conv1.weight.normal_(0.0, patch_inputs**-0.5, generator=generator)
    visual.proj.normal_(0.0, shape.width**-0.5, generator=generator)
    visual.class_embedding.normal_(0.0, _POSITION_AMPLITUDE, generator=generator)
    visual.positional_embedding[0].zero_()
    visual.positional_embedding[1:].copy_(
        _POSITION_AMPLITUDE * sine_positions(shape.grid, shape.width)
    )
    model.token_embedding.weight.normal_(0.0, 0.5, generator=generator)
    model.positional_embedding.normal_(0.0, 0.1, generator=generator)
    model.text_projection.normal_(0.0, shape.text_width**-0.5, generator=generator)


def word_anchors(count: int, width: int, seed: int) -> Tensor:
    """`(count, width)` unit vectors at right angles to one another, the same for a seed."""
    if count > width:
        raise OptionError(
            f"embed_dim: got {width}; the {count} words of the scenes need as many directions"
        )
    generator = torch.Generator().manual_seed(seed)
    square, _ = torch.linalg.qr(torch.randn(width, width, generator=generator))
    anchors: Tensor = square[:count].contiguous()
    return anchors


def sine_positions(grid: int, width: int) -> Tensor:
    """Fixed two-dimensional positions, `(grid * grid, width)`, rows first: half for y, half for x.

    Wavelengths go from two patches to eight grids in equal steps of the logarithm.
    """
    frequencies = width // 4
    wavelengths = 2.0 * (4.0 * grid) ** (torch.arange(frequencies) / max(frequencies - 1, 1))
    angles = 2 * math.pi * torch.arange(grid)[:, None] / wavelengths[None, :]
    line = torch.cat([angles.sin(), angles.cos()], dim=1)  # (grid, width / 2)
    rows = line[:, None, :].expand(grid, grid, -1)
    columns = line[None, :, :].expand(grid, grid, -1)
    return torch.cat([rows, columns], dim=2).reshape(grid * grid, width)


def _initialise_block(block: Any, depth: int, generator: torch.Generator) -> None:
    attention = block.attn
    width, heads = attention.embed_dim, attention.num_heads
    pairs = [
        _factors(width, width // heads, _QUERY_KEY_NOISE, _QUERY_KEY_IDENTITY, generator)
        for _ in range(heads)
    ]
    value, out = _factors(width, width, _VALUE_NOISE, -_VALUE_IDENTITY, generator)
    attention.in_proj_weight.copy_(
        torch.cat([query for query, _ in pairs] + [key for _, key in pairs] + [value])
    )
    attention.in_proj_bias.zero_()
    attention.out_proj.weight.copy_(out.T)
    attention.out_proj.bias.zero_()
    for layer, gain in ((block.mlp.c_fc, 1.0), (block.mlp.c_proj, (2 * depth) ** -0.5)):
        layer.weight.normal_(0.0, gain * layer.in_features**-0.5, generator=generator)
        layer.bias.zero_()


def _factors(
    width: int, rank: int, noise: float, identity: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Two `(rank, width)` matrices with left.T @ right ~ noise * Z + identity * I."""
    target = noise * width**-0.5 * torch.randn(width, width, generator=generator)
    target += identity * torch.eye(width)
    left, sizes, right = torch.linalg.svd(target)
    roots = sizes[:rank].sqrt()[:, None]
    return roots * left[:, :rank].T, roots * right[:rank]
