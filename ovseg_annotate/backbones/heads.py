"""Between tokens and attention heads."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

_FUSED_ORDER = "qkv"  # rows 0:D, D:2D, 2D:3D of a fused projection
_SHORT = 256  # tokens up to which two plain products are the quicker attention on a CPU


def split_heads(projected: Tensor, heads: int) -> Tensor:
    """(batch, tokens, width) -> (batch, heads, tokens, head width)."""
    batch, tokens, _ = projected.shape
    return projected.view(batch, tokens, heads, -1).transpose(1, 2)


def merge_heads(attended: Tensor) -> Tensor:
    """(batch, heads, tokens, head width) -> (batch, tokens, width)."""
    return attended.transpose(1, 2).flatten(2)


def fused_parts(
    tokens: Tensor, weight: Tensor, bias: Tensor | None, parts: str
) -> tuple[Tensor, ...]:
    """Project tokens to the named parts of a fused (3 width, width) projection, in that order."""
    width = len(weight) // len(_FUSED_ORDER)
    start = _FUSED_ORDER.find(parts)
    if start < 0:  # not neighbours: one product each
        return tuple(fused_parts(tokens, weight, bias, part)[0] for part in parts)
    rows = slice(start * width, (start + len(parts)) * width)
    projected = functional.linear(tokens, weight[rows], None if bias is None else bias[rows])
    return projected.chunk(len(parts), dim=-1)


def attended(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(queries keys' / sqrt(head width)) values, each (batch, heads, tokens, head width)."""
    tokens, width = keys.shape[-2:]
    if queries.device.type != "cpu" or tokens > _SHORT:
        return functional.scaled_dot_product_attention(queries, keys, values)
    likeness = (queries / math.sqrt(width)) @ keys.transpose(-1, -2)
    return likeness.softmax(dim=-1) @ values
