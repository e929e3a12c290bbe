from __future__ import annotations

import torch
from engines.fixture_tower import tensors_of
from grouping.pgseg_fixtures import assert_relative, shaken

from ovseg_annotate.backbones.group_checkpoint import renamed
from ovseg_annotate.grouping.assignment import GroupingBlock

NAME = "grouping_block"


def published_block() -> GroupingBlock:
    block = GroupingBlock(width=32, heads=4, groups_in=12, groups=6)
    place = "image.stages.0.grouping."
    block.load_state_dict(
        {
            renamed(
                f"img_encoder.layers.0.downsample.{name.removeprefix('weights.')}"
            ).removeprefix(place): value
            for name, value in tensors_of(NAME).items()
            if name.startswith("weights.")
        }
    )
    return block.eval()


def tiny_block() -> GroupingBlock:
    torch.manual_seed(0)
    block = GroupingBlock(width=8, heads=2, groups_in=5, groups=3)
    shaken(block)
    return block


def test_tokens_join_groups_as_published() -> None:
    published = tensors_of(NAME)
    with torch.no_grad():
        grouped = published_block()(published["in.x"], published["in.group_tokens"])
    assert_relative(grouped.segments, published["out.segments"])
    assert_relative(grouped.soft, published["out.soft_assignment"])
    assert_relative(grouped.centres, published["out.group_centre"])
    assert torch.equal(grouped.soft.argmax(dim=1).int(), published["out.hard_assignment"])


def test_shares_add_up_to_one_over_the_groups() -> None:
    grouped = tiny_block().eval()(torch.randn(2, 7, 8), torch.randn(2, 5, 8))
    torch.testing.assert_close(grouped.soft.sum(dim=1), torch.ones(2, 7))


def test_a_training_step_teaches_what_decides_the_groups() -> None:
    block = tiny_block().train()
    grouped = block(torch.randn(2, 7, 8), torch.randn(2, 5, 8))
    grouped.segments.square().sum().backward()  # type: ignore[no-untyped-call]
    for weights in (block.queries.weight, block.keys.weight, block.mix.first.weight):
        assert weights.grad is not None
        assert float(weights.grad.abs().max()) > 0


def test_training_draws_groups_and_use_does_not() -> None:
    block, tokens, groups = tiny_block(), torch.randn(1, 7, 8), torch.randn(1, 5, 8)
    block.train()
    drawn = [block(tokens, groups).segments for _ in range(8)]
    assert any(not torch.equal(drawn[0], other) for other in drawn[1:])
    block.eval()
    assert torch.equal(block(tokens, groups).segments, block(tokens, groups).segments)


def test_a_group_that_nobody_joins_is_a_number() -> None:
    block = tiny_block().eval()
    same = torch.ones(1, 4, 8)  # all tokens alike: they join one group
    grouped = block(same, torch.randn(1, 5, 8))
    assert len(grouped.soft.argmax(dim=1).unique()) == 1
    assert bool(grouped.segments.isfinite().all())
