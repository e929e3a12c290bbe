"""The parts that LoGoSeg adds, each of which begins as nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from cost.fixture_trunk import TINY, assert_near, tiny_features, tiny_text, tiny_trunk
from torch import Tensor

from ovseg_annotate.cost.existence import ExistenceMode, ExistenceOptions, ExistencePrior
from ovseg_annotate.cost.logoseg import LoGoSegHead, LoGoSegOptions
from ovseg_annotate.cost.loss import Truth
from ovseg_annotate.cost.options import TrunkOptions
from ovseg_annotate.cost.region_scores import region_cosines, region_loss
from ovseg_annotate.cost.volume import REJECTED
from ovseg_annotate.errors import ModelError, OptionError

TRUNK = TrunkOptions(padded_to=8)
ALL_OFF = LoGoSegOptions(ExistenceOptions(mode="off"), region_grids=(), dual=False)


def neutral(count: int = 6) -> Tensor:
    return torch.randn(count, TINY.shared, generator=torch.Generator().manual_seed(5))


def head(options: LoGoSegOptions, trunk: TrunkOptions = TRUNK) -> LoGoSegHead:
    """With the numbers of the tiny trunk, which are not those of a beginning."""
    made = LoGoSegHead(TINY, trunk, options, neutral()).eval()
    made.load_state_dict({**made.state_dict(), **tiny_trunk(trunk).state_dict()})
    return made


@pytest.mark.parametrize(
    "options",
    [
        LoGoSegOptions(),
        ALL_OFF,
        replace(ALL_OFF, existence=ExistenceOptions()),
        replace(ALL_OFF, region_grids=(3, 6)),
        replace(ALL_OFF, dual=True),
    ],
)
@torch.no_grad()
def test_with_the_weights_of_the_trunk_it_is_the_trunk(options: LoGoSegOptions) -> None:
    seen, text = tiny_features(2, 6, 5), tiny_text(4)
    assert torch.equal(head(options)(seen, text), tiny_trunk(TRUNK)(seen, text))


@pytest.mark.parametrize("part", ["existence", "regions", "dual"])
def test_every_part_learns_and_then_counts(part: str) -> None:
    options = {
        "existence": replace(ALL_OFF, existence=ExistenceOptions()),
        "regions": replace(ALL_OFF, region_grids=(3,)),
        "dual": replace(ALL_OFF, dual=True),
    }[part]
    own = {"existence": "existence.strength", "regions": "region_embedding", "dual": "dual.0.share"}
    made = head(options)
    seen, text = tiny_features(2, 6, 6), tiny_text(4)
    labels = torch.randint(0, 5, (2, 24, 24), generator=torch.Generator().manual_seed(0))
    before = made(seen, text)
    losses = made.losses(seen, text, Truth(labels, mask_unlabelled=False))
    torch.stack(list(losses.values())).sum().backward()
    with torch.no_grad():
        for name, value in made.named_parameters():
            if name.startswith(own[part]):
                assert value.grad is not None
                assert float(value.grad.abs().sum()) > 0
                value.sub_(0.5 * value.grad.sign())
    assert not torch.equal(made(seen, text), before)


def prior(**options: object) -> ExistencePrior:
    return ExistencePrior(neutral(), replace(ExistenceOptions(), **options))


@torch.no_grad()
def test_a_concept_that_is_like_the_window_stands_out() -> None:
    seen = tiny_features(1, 4, 4)
    text = torch.stack([seen.whole[0], -seen.whole[0]])[None, :, None]
    likely, unlikely = prior().logits(seen, text)[0].tolist()
    assert likely > unlikely


@torch.no_grad()
def test_one_concept_alone_can_be_told_to_be_there_or_not() -> None:
    seen = tiny_features(1, 4, 4)
    there = prior().logits(seen, seen.whole[None, :, None])
    not_there = prior().logits(seen, -seen.whole[None, :, None])
    assert float(there) > float(not_there)


@torch.no_grad()
def test_the_strongest_cell_speaks_for_what_is_small() -> None:
    seen = tiny_features(1, 4, 4)
    text = seen.cells[0, :, 2, 1][None, None, None]
    assert prior(evidence="peak").logits(seen, text) > prior().logits(seen, text)


@torch.no_grad()
def test_full_strength_takes_all_from_the_unlikely() -> None:
    made = prior(first_strength=1.0)
    cost = torch.rand(1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    weighed = made.weighed(cost, torch.tensor([[-100.0, 0.0, 100.0]]))
    assert float(weighed[:, :, 0].abs().max()) < 1e-6
    assert_near(weighed[:, :, 1], cost[:, :, 1] / 2)
    assert_near(weighed[:, :, 2], cost[:, :, 2])


def test_the_strength_learns_even_below_nothing() -> None:
    made = prior()
    with torch.no_grad():
        made.strength.fill_(-0.2)
    cost = torch.ones(1, 1, 1, 2, 2)
    weighed = made.weighed(cost, torch.zeros(1, 1))
    assert torch.equal(weighed, cost)
    weighed.sum().backward()
    assert made.strength.grad is not None
    assert float(made.strength.grad) != 0


@torch.no_grad()
def test_the_hard_prior_leaves_the_likeliest() -> None:
    made = prior(mode="hard", most=2)
    scores = torch.zeros(1, 3, 2, 2)
    left = made.without_unlikely(scores, torch.tensor([[0.0, 2.0, 1.0]]))
    assert (left[0, 0] == REJECTED).all()
    assert (left[0, 1:] == 0).all()


def run_as(mode: ExistenceMode) -> Tensor:
    made = head(LoGoSegOptions(ExistenceOptions(first_strength=0.8)))
    made.run_existence(mode)
    with torch.no_grad():
        answer: Tensor = made(tiny_features(1, 4, 4), tiny_text(3))
    return answer


def test_switched_off_the_prior_changes_nothing() -> None:
    with torch.no_grad():
        plain = tiny_trunk(TRUNK)(tiny_features(1, 4, 4), tiny_text(3))
    assert torch.equal(run_as("off"), plain)
    assert not torch.equal(run_as("soft"), plain)


@torch.no_grad()
def test_a_region_is_compared_by_its_mean() -> None:
    seen, text = tiny_features(1, 6, 6), tiny_text(2)
    cosines = region_cosines(seen.cells, text, 3)
    mean = seen.cells[0, :, 2:4, 0:2].mean(dim=(1, 2))
    wanted = torch.nn.functional.cosine_similarity(mean, text[0, 1, 0], dim=0)
    assert_near(cosines[0, 0, 1, 1, 0], wanted)


def test_regions_that_nobody_labelled_teach_nothing() -> None:
    seen, text = tiny_features(1, 6, 6), tiny_text(2)
    cells = seen.cells.requires_grad_()
    labels = torch.zeros(1, 12, 12, dtype=torch.long)
    labels[:, :4, :4] = 2  # the first of three by three regions
    region_loss(cells, text, (3,), Truth(labels, mask_unlabelled=True)).backward()
    assert cells.grad is not None
    touched = cells.grad.abs().sum(dim=1)[0] > 0
    assert touched[:2, :2].all()
    assert not touched[2:].any()


@torch.no_grad()
def test_regions_that_are_what_is_asked_cost_little() -> None:
    text = torch.eye(TINY.shared)[None, :2, None]
    cells = torch.eye(TINY.shared)[0][None, :, None, None].expand(1, -1, 4, 4)
    right, wrong = (
        float(region_loss(cells, text, (2,), Truth(torch.full((1, 8, 8), label), True)))
        for label in (1, 2)
    )
    assert right < 1e-3 < wrong


@torch.no_grad()
def test_concepts_in_chunks_give_the_same_answer() -> None:
    options = LoGoSegOptions(ExistenceOptions(first_strength=0.5))
    seen, text = tiny_features(2, 6, 5), tiny_text(7)
    whole = head(options)(seen, text)
    chunked = head(options, replace(TRUNK, cells_at_once=1))(seen, text)
    assert_near(chunked, whole)


def test_words_of_another_width_are_refused() -> None:
    made = ExistencePrior(neutral()[:, :-1], ExistenceOptions())
    with pytest.raises((ModelError, RuntimeError)):
        made.logits(tiny_features(1, 4, 4), tiny_text(2))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"first_strength": 1.5}, "first_strength: got 1.5; allowed: 0 to 1"),
        ({"most": 0}, "most: got 0"),
        ({"neutral": ("a", "b")}, "neutral: got 2 phrases; allowed: 4 or more"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        replace(ExistenceOptions(), **options)
