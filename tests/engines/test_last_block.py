from __future__ import annotations

import pytest
import torch
from engines.fixture_tower import assert_as_published, fixture_tower, tensors_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ovseg_annotate.engines import last_block
from ovseg_annotate.engines.last_block import LastBlock, dense_tokens, gaussian_of_distance
from ovseg_annotate.geometry import Size

CPU = torch.device("cpu")
NAME = "clip_dense_lastblock"

METHODS = {
    "vanilla": LastBlock(last_block.vanilla, keeps_rest=True),
    "maskclip_residual": LastBlock(last_block.maskclip, keeps_rest=True),
    "maskclip_valueonly": LastBlock(last_block.maskclip, keeps_rest=False),
    "sclip": LastBlock(last_block.sclip, keeps_rest=True),
    "clearclip": LastBlock(last_block.clearclip, keeps_rest=False),
    "naclip_std5": LastBlock(last_block.naclip(5.0), keeps_rest=False),
    "naclip_std1": LastBlock(last_block.naclip(1.0), keeps_rest=False),
    "naclip_std5_with_residual": LastBlock(last_block.naclip(5.0), keeps_rest=True),
}


@pytest.mark.parametrize("size", ["native", "large"])
@pytest.mark.parametrize("method", METHODS)
def test_dense_tokens_are_those_of_the_published_code(method: str, size: str) -> None:
    images = tensors_of(NAME)[f"in.image_{size}"]
    tokens, _ = dense_tokens(fixture_tower(), images, METHODS[method])
    assert_as_published(tokens, NAME, f"out.{method}_{size}")


def test_a_gaussian_too_wide_to_matter_leaves_attention_between_keys() -> None:
    # A constant added to every cell-to-cell logit still moves weight away from the class token,
    # so keys alone are reached with a Gaussian that is zero but on the diagonal.
    def keys_alone(block: object, tokens: Tensor, grid: Size, prefix: int) -> Tensor:
        keys, values = block.heads(tokens, "kv")  # type: ignore[attr-defined]
        return torch.nn.functional.scaled_dot_product_attention(keys[:, :, prefix:], keys, values)

    images = tensors_of(NAME)["in.image_large"]
    tokens, _ = dense_tokens(fixture_tower(), images, LastBlock(keys_alone, keeps_rest=False))
    assert_as_published(tokens, NAME, "out.kk_large")


@pytest.mark.parametrize("size", ["native", "large"])
def test_the_gaussian_is_that_of_the_published_code(size: str) -> None:
    published = tensors_of(NAME)[f"diag.naclip_bias_std5_{size}"]
    rows, columns = {"native": (4, 4), "large": (6, 8)}[size]
    ours = gaussian_of_distance(Size(rows, columns), 5.0, CPU)
    torch.testing.assert_close(ours, published[1:, 1:])


@settings(deadline=None, max_examples=50)
@given(rows=st.integers(1, 7), columns=st.integers(1, 7), sigma=st.floats(0.3, 20, allow_nan=False))
def test_the_gaussian_is_symmetric_and_one_at_no_distance(
    rows: int, columns: int, sigma: float
) -> None:
    table = gaussian_of_distance(Size(rows, columns), sigma, CPU)
    assert table.shape == (rows * columns, rows * columns)
    assert torch.equal(table.diagonal(), torch.ones(rows * columns))
    torch.testing.assert_close(table, table.T)
    for one, other in ((0, rows * columns - 1), (0, columns - 1)):
        squared = (one // columns - other // columns) ** 2 + (one % columns - other % columns) ** 2
        expected = torch.tensor(-squared / (2 * sigma**2)).exp()
        torch.testing.assert_close(table[one, other], expected.float(), atol=1e-6, rtol=1e-4)


class OneBlock:
    """Hands out given heads, so that an attention can be compared with its formula."""

    def __init__(self, **heads: Tensor) -> None:
        self._heads = heads

    def heads(self, tokens: Tensor, parts: str) -> tuple[Tensor, ...]:
        return tuple(self._heads[part] for part in parts)


def _softmax_of(first: Tensor, second: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    return (first @ second.transpose(-1, -2) * first.shape[-1] ** -0.5 + bias).softmax(dim=-1)


@pytest.mark.parametrize("prefix", [0, 1])
def test_quick_attention_equals_the_formula(prefix: int) -> None:
    grid = Size(3, 5)
    shape = (2, 4, prefix + grid.area, 8)
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(shape, generator=generator) for _ in range(3))
    block, tokens = OneBlock(q=q, k=k, v=v), torch.empty(2, shape[2], 32)
    bias = torch.zeros(shape[2], shape[2])
    bias[prefix:, prefix:] = gaussian_of_distance(grid, 2.0, CPU)
    expected = {
        last_block.vanilla: _softmax_of(q, k) @ v,
        last_block.maskclip: v,
        last_block.sclip: (_softmax_of(q, q) + _softmax_of(k, k)) @ v,
        last_block.clearclip: _softmax_of(q, q) @ v,
        last_block.naclip(2.0): _softmax_of(k, k, bias) @ v,
    }
    for attend, whole in expected.items():
        torch.testing.assert_close(attend(block, tokens, grid, prefix), whole[:, :, prefix:])


def test_rows_of_sclip_add_up_to_two() -> None:
    shape = (1, 2, 13, 4)
    generator = torch.Generator().manual_seed(1)
    q, k = (torch.randn(shape, generator=generator) for _ in range(2))
    block = OneBlock(q=q, k=k, v=torch.ones(shape))
    rows = last_block.sclip(block, torch.empty(1, 13, 8), Size(3, 4), 1)
    torch.testing.assert_close(rows, torch.full((1, 2, 12, 4), 2.0))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 5), (6, 2), (2, 8), (5, 5)])
def test_a_batch_equals_one_by_one_on_any_grid(rows: int, columns: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    images = torch.randn((3, 3, rows * 16, columns * 16), generator=generator)
    for last in METHODS.values():
        together, grid = dense_tokens(fixture_tower(), images, last)
        assert grid == Size(rows, columns)
        alone = torch.cat([dense_tokens(fixture_tower(), one[None], last)[0] for one in images])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
