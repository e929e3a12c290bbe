from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from engines.fixture_tower import facts_of, tensors_of
from grouping.pgseg_fixtures import (
    ENCODER,
    ENCODER_SIZES,
    TINY,
    assert_relative,
    published_encoder,
    tiny_network,
)
from torch.nn.functional import interpolate, normalize

from ovseg_annotate.backbones.group_checkpoint import flattened, renamed
from ovseg_annotate.backbones.group_network import PgsegNetwork
from ovseg_annotate.backbones.group_vit import GroupSizes, GroupVit
from ovseg_annotate.errors import ModelError, OptionError
from ovseg_annotate.grouping.affinity import hard_cells, spread, strongest_only


def published_network() -> PgsegNetwork:
    network = PgsegNetwork(ENCODER_SIZES)
    state = {renamed(name): flattened(value) for name, value in published_encoder().items()}
    assert state.keys() <= network.state_dict().keys()
    network.load_state_dict({**network.state_dict(), **state})
    return network.eval()


@pytest.mark.parametrize("case", ["native", "large"])
@torch.no_grad()
def test_pictures_are_grouped_as_published(case: str) -> None:
    published, network = tensors_of(ENCODER), published_network()
    seen = network.image(published[f"in.image_{case}"])
    assert_relative(seen.segments, published[f"out.segments_{case}"])
    assert_relative(seen.pooled, published[f"out.pooled_{case}"])
    for number, step in enumerate(seen.steps, start=1):
        assert_relative(step.soft, published[f"out.soft{number}_{case}"])
    projected = network.image_projection(seen.segments)
    assert_relative(projected, published[f"out.segments_projected_{case}"])
    pooled = network.image_projection(seen.pooled)
    assert_relative(pooled, published[f"out.pooled_projected_{case}"])


@torch.no_grad()
def test_pixels_score_as_published() -> None:
    published, network = tensors_of(ENCODER), published_network()
    facts = facts_of(ENCODER)["hyperparameters"]
    images, text = published["in.image_large"], published["in.text"]
    seen = network.image(images)
    scale = facts["logit_scale"]
    groups = scale * normalize(network.image_projection(seen.segments), dim=2) @ text.T
    whole = scale * normalize(network.image_projection(seen.pooled), dim=1) @ text.T
    strongest = strongest_only(groups, whole, facts["top_k_classes"])
    scores = strongest.softmax(dim=2) * groups.softmax(dim=2)
    shares = interpolate(seen.assignment, size=images.shape[2:], mode="bilinear")
    every_fourth = shares[0, :, ::4, ::4].permute(1, 2, 0)
    assert_relative(every_fourth, published["out.final_soft_map"])
    pixels = spread(scores, hard_cells(shares))[0]
    assert_relative(pixels[:, ::4, ::4], published["out.scores_nobg"])
    unsure = pixels.amax(dim=0) < min(facts["bg_thresh"], float(scores.max()))
    with_background = torch.cat([unsure[None].float(), pixels])[:, ::4, ::4]
    assert_relative(with_background, published["out.scores_bg"])


def test_prototypes_change_nothing_before_they_are_trained() -> None:
    torch.manual_seed(0)
    network = GroupVit(TINY).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        without, with_them = (network(images, prototypes=on) for on in (False, True))
    assert without.prototypes == (None, None)
    assert torch.equal(without.segments, with_them.segments)


def test_cells_belong_to_groups_by_shares_on_any_grid() -> None:
    with torch.no_grad():
        seen = tiny_network().image(torch.randn(2, 3, 40, 24))
    assert seen.assignment.shape == (2, 4, 5, 3)
    torch.testing.assert_close(seen.assignment.sum(dim=1), torch.ones(2, 5, 3))


def test_sides_that_are_no_multiples_of_the_patch_are_refused() -> None:
    with pytest.raises(ModelError, match="multiples of 8"):
        tiny_network().image(torch.randn(1, 3, 36, 32))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": 30}, "multiples of 8"),
        ({"width": 15}, "a multiple of the 2 heads"),
        ({"groups": (4, 0)}, "1 or more"),
        ({"stem": -1}, "0 or more"),
    ],
)
def test_sizes_that_fit_nothing_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        replace(TINY, **change)


def test_the_published_sizes_have_the_published_number_of_weights() -> None:
    with torch.device("meta"):
        network = PgsegNetwork(GroupSizes())
    image = sum(weights.numel() for weights in network.image.parameters())
    of_words = sum(weights.numel() for weights in network.words_of_groups.parameters())
    assert round((image + of_words) / 1e6, 2) == 37.79
    text = sum(weights.numel() for weights in network.text.parameters())
    assert round(text / 1e6, 2) == 22.15
