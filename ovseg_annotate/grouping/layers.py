"""The plain parts of a transformer that groups its tokens. Tokens are (pictures, tokens, width)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, relu
from torch.nn.functional import scaled_dot_product_attention as attention


class Mlp(nn.Module):
    """Two layers over the last axis."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.second = nn.Linear(hidden, out)

    def forward(self, tokens: Tensor) -> Tensor:
        answer: Tensor = self.second(gelu(self.first(tokens)))
        return answer


class Projection(nn.Module):
    """Two layers with a batch normalisation between them, over the last axis."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.second = nn.Linear(hidden, out)

    def forward(self, tokens: Tensor) -> Tensor:
        rows = self.norm(self.first(tokens.flatten(0, -2)))
        answer: Tensor = self.second(relu(rows))
        return answer.view(*tokens.shape[:-1], -1)


class SkippedNowAndThen(nn.Module):
    """In training, leaves a branch out of some pictures and makes up for it in the others."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return branch
        kept = 1 - self.share
        shape = (len(branch),) + (1,) * (branch.ndim - 1)
        return branch * torch.bernoulli(branch.new_full(shape, kept)) / kept


class TokenBlock(nn.Module):
    """Self-attention and a perceptron, both normalised before."""

    def __init__(self, width: int, heads: int, skipped: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, width)
        self.skip = SkippedNowAndThen(skipped)

    def forward(self, tokens: Tensor) -> Tensor:
        parts = self.qkv(self.norm1(tokens)).chunk(3, dim=-1)
        queries, keys, values = (_in_heads(part, self.heads) for part in parts)
        attended = self.proj(_merged(attention(queries, keys, values)))
        tokens = tokens + self.skip(attended)
        answer: Tensor = tokens + self.skip(self.mlp(self.norm2(tokens)))
        return answer


class CrossAttention(nn.Module):
    """Some tokens look at others."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Linear(width, width)
        self.keys = nn.Linear(width, width)
        self.values = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, seen: Tensor) -> Tensor:
        queries = _in_heads(self.queries(tokens), self.heads)
        keys, values = (_in_heads(part(seen), self.heads) for part in (self.keys, self.values))
        answer: Tensor = self.proj(_merged(attention(queries, keys, values)))
        return answer


def _in_heads(tokens: Tensor, heads: int) -> Tensor:
    return tokens.view(*tokens.shape[:2], heads, -1).transpose(1, 2)


def _merged(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)
