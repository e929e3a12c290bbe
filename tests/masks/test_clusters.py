"""Pseudo-masks: what must hold of any clustering, and of bad requests."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.masks.clusters import (
    ClusterOptions,
    Start,
    clusters_of,
    colour_cells,
    segment_masks,
)

STARTS: tuple[Start, ...] = ("spread", "random")


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tightness(cells: Tensor, labels: Tensor) -> float:
    """Mean cosine of the cells with the direction of their group."""
    unit, total = normalize(cells, dim=-1), 0.0
    for group in labels.unique():
        total += float(unit[labels == group].sum(dim=0).norm())
    return total / len(cells)


@given(st.integers(0, 2**31), st.integers(1, 6), st.sampled_from(STARTS))
def test_the_same_seed_groups_alike_and_numbers_stay_in_range(
    seed: int, clusters: int, start: Start
) -> None:
    cells = drawn(seed, 2, 12, 5)
    options = ClusterOptions(clusters, start=start, seed=seed % 7)
    labels = clusters_of(cells, options)
    assert torch.equal(labels, clusters_of(cells, options))
    assert labels.shape == (2, 12)
    assert 0 <= int(labels.min()) <= int(labels.max()) < clusters


@given(st.integers(0, 2**31), st.sampled_from(STARTS))
def test_rounds_make_groups_tighter(seed: int, start: Start) -> None:
    cells = drawn(seed, 1, 40, 4)
    few, many = (clusters_of(cells, ClusterOptions(4, rounds, start))[0] for rounds in (0, 10))
    assert tightness(cells[0], many) >= tightness(cells[0], few) - 1e-5


@given(st.integers(0, 2**31))
def test_a_picture_does_not_depend_on_its_neighbours_nor_on_lengths(seed: int) -> None:
    cells = drawn(seed, 3, 20, 6)
    together = clusters_of(cells * 7.0, ClusterOptions(4))
    alone = clusters_of(cells[1:2], ClusterOptions(4))
    assert torch.equal(together[1:2], alone)


@pytest.mark.parametrize("start", STARTS)
def test_well_separated_directions_are_told_apart(start: Start) -> None:
    truth = torch.arange(3).repeat_interleave(10)
    cells = torch.eye(3)[truth] + 0.01 * drawn(0, 30, 3)
    best = max(
        tightness(cells, clusters_of(cells[None], ClusterOptions(3, start=start, seed=seed))[0])
        for seed in range(5)
    )
    assert best > 0.99


def test_a_spread_start_finds_every_direction_that_a_random_one_may_miss() -> None:
    truth = torch.tensor([0] * 60 + [1, 2])
    cells = torch.eye(3)[truth][None]
    spread = clusters_of(cells, ClusterOptions(3))[0]
    assert len(spread.unique()) == 3


def test_cells_that_are_all_alike_make_one_group_and_no_nan() -> None:
    labels = clusters_of(torch.ones(1, 9, 4), ClusterOptions(3))
    assert len(labels.unique()) == 1
    assert len(clusters_of(torch.zeros(1, 9, 4), ClusterOptions(3)).unique()) == 1


def test_more_clusters_than_cells_are_refused() -> None:
    with pytest.raises(OptionError, match="5 clusters of 4 cells"):
        clusters_of(torch.ones(1, 4, 3), ClusterOptions(5))


@pytest.mark.parametrize("wrong", [{"clusters": 0}, {"rounds": -1}])
def test_options_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        ClusterOptions(**wrong)


def test_colours_group_a_picture_of_two_halves() -> None:
    picture = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    picture[:, 0, :, 4:] = 255
    labels = clusters_of(colour_cells(picture, Size(4, 4)), ClusterOptions(2)).view(4, 4)
    assert (labels[:, :2] == labels[0, 0]).all()
    assert (labels[:, 2:] == 1 - labels[0, 0]).all()


def test_numbers_outside_belong_to_no_segment() -> None:
    masks = segment_masks(torch.tensor([[[0, 1], [255, -1]]]), 2)
    assert masks.tolist() == [[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]]]
