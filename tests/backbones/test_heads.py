"""Attention is the same thing by either way."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from ovseg_annotate.backbones.heads import attended


@pytest.mark.parametrize("tokens", [1, 145, 256, 257])
def test_short_and_long_rows_attend_alike(tokens: int) -> None:
    generator = torch.Generator().manual_seed(tokens)
    queries = torch.randn(2, 3, 7, 16, generator=generator)
    keys, values = torch.randn(2, 2, 3, tokens, 16, generator=generator)
    expected = scaled_dot_product_attention(queries, keys, values)
    torch.testing.assert_close(attended(queries, keys, values), expected)


def test_a_gradient_finds_its_way_back() -> None:
    queries = torch.randn(1, 1, 5, 8, requires_grad=True)
    attended(queries, torch.randn(1, 1, 5, 8), torch.randn(1, 1, 5, 8)).sum().backward()
    assert queries.grad is not None
    assert bool(torch.isfinite(queries.grad).all())
