from __future__ import annotations

import pytest
import torch
from engines.fixture_tower import assert_as_published, fixture_tower, tensors_of

from ovseg_annotate.engines.affinity import Sharpness, affinity, cosines_of, proxy_tokens

NAME = "proxyclip"


@pytest.mark.parametrize("size", ["native", "large_square"])
@pytest.mark.parametrize(
    ("case", "sharpness"),
    [("proxyclip", Sharpness(1.2, 3.0)), ("proxyclip_b1_g5", Sharpness(1.0, 5.0))],
)
def test_tokens_on_a_proxy_grid_are_those_of_the_published_code(
    size: str, case: str, sharpness: Sharpness
) -> None:
    given = tensors_of(NAME)
    tokens, grid = proxy_tokens(
        fixture_tower(), given[f"in.image_{size}"], given[f"in.proxy_{size}"], sharpness
    )
    assert (grid.height, grid.width) == given[f"in.proxy_{size}"].shape[-2:]
    assert_as_published(tokens, NAME, f"out.{case}_{size}")


def test_a_picture_that_is_not_square_keeps_its_rows_and_columns() -> None:
    given = tensors_of(NAME)
    tokens, _ = proxy_tokens(
        fixture_tower(), given["in.image_nonsquare"], given["in.proxy_nonsquare"], Sharpness()
    )
    assert_as_published(tokens, NAME, "out.proxyclip_corrected_nonsquare")


def test_a_batch_of_pictures_does_not_mix_them() -> None:
    given = tensors_of(NAME)
    images = torch.cat([given["in.image_native"], given["in.image_native"].flip(3)])
    guide = torch.cat([given["in.proxy_native"], 1 + 0.2 * given["in.proxy_native"].flip(3)])
    together, _ = proxy_tokens(fixture_tower(), images, guide, Sharpness())
    for number in range(2):
        one = slice(number, number + 1)
        alone, _ = proxy_tokens(fixture_tower(), images[one], guide[one], Sharpness())
        torch.testing.assert_close(together[one], alone, atol=1e-5, rtol=1e-4)


def test_a_guide_without_any_contrast_gives_every_cell_itself() -> None:
    weights = affinity(cosines_of(torch.ones(2, 12, 5)), Sharpness())
    torch.testing.assert_close(weights, torch.eye(12).expand(2, 12, 12))


def test_attention_rows_sum_to_one() -> None:
    tokens = torch.randn((2, 9, 4), generator=torch.Generator().manual_seed(3))
    rows = affinity(cosines_of(tokens), Sharpness()).sum(dim=-1)
    torch.testing.assert_close(rows, torch.ones(2, 9))
