"""Against numbers that the published code computed with the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cost.fixture_trunk import (
    NAME,
    PUBLISHED,
    assert_near,
    fixture_features,
    fixture_trunk,
    published_checkpoint,
    write_checkpoint,
)
from engines.fixture_tower import assert_as_published, facts_of, tensors_of
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.backbones.catseg_checkpoint import read_catseg_checkpoint
from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost.loss import Truth, pixel_loss
from ovseg_annotate.cost.options import TrunkOptions
from ovseg_annotate.cost.published import sizes_of
from ovseg_annotate.cost.trunk import CostTrunk, probabilities
from ovseg_annotate.cost.views import SquashedViews
from ovseg_annotate.cost.volume import cost_volume
from ovseg_annotate.engine import some_windows
from ovseg_annotate.errors import WeightsError

OPTIONS = TrunkOptions(padded_to=12)


@pytest.fixture
def trunk(tmp_path: Path) -> CostTrunk:
    return fixture_trunk(tmp_path, OPTIONS)


@pytest.fixture(scope="module")
def seen() -> TappedFeatures:
    return fixture_features(tensors_of(NAME)["in.image_dense"])


def text(name: str = "in.text") -> Tensor:
    return tensors_of(NAME)[name][None, :, None]


def assert_published(ours: Tensor, name: str) -> None:
    assert_as_published(ours, NAME, name)
    assert_near(ours, tensors_of(NAME)[name])


def normalised(images: Tensor) -> Tensor:
    """As the published code gives pictures to the tower of the fixture: 96 px square."""
    facts = facts_of(NAME)["hyperparameters"]
    mean, std = (torch.tensor(facts[name])[:, None, None] for name in ("pixel_mean", "pixel_std"))
    return functional.interpolate((images - mean) / std, (96, 96), mode="bilinear")


def test_cells_and_taps_are_the_published_ones(seen: TappedFeatures) -> None:
    assert_published(seen.cells, "out.dense")
    assert_published(seen.taps[:, 0], "out.tap0")
    assert_published(seen.taps[:, 1], "out.tap1")


def test_the_embedding_of_a_whole_window_is_the_published_one() -> None:
    whole = fixture_features(tensors_of(NAME)["in.image_native"]).whole
    assert_published(whole, "out.encode_image_native")


def test_the_cost_volume_is_the_published_one(seen: TappedFeatures) -> None:
    assert_published(cost_volume(seen.cells, text()), "out.cost")


def test_logits_are_the_published_ones(trunk: CostTrunk, seen: TappedFeatures) -> None:
    with torch.no_grad():
        assert_published(trunk(seen, text()), "out.logits")


def test_logits_with_pooling_are_the_published_ones(tmp_path: Path, seen: TappedFeatures) -> None:
    pooling = fixture_trunk(tmp_path, TrunkOptions(padded_to=12, pool=2))
    with torch.no_grad():
        logits = pooling(some_windows(seen, 0, 1), text())
    assert_published(logits[..., ::2, ::2], "out.logits_pool2")


def test_rejected_concepts_are_the_published_ones(tmp_path: Path, seen: TappedFeatures) -> None:
    choosy = fixture_trunk(tmp_path, TrunkOptions(padded_to=3, keep=3))
    with torch.no_grad():
        logits = choosy(some_windows(seen, 0, 1), text("in.text_many"))
    assert_as_published(logits[..., ::2, ::2], NAME, "out.logits_rejection")
    kept = logits > -99
    expected = tensors_of(NAME)["out.logits_rejection"]
    assert_near(
        logits[kept].view(-1, 96, 96)[:, ::2, ::2], expected[expected > -99].view(-1, 48, 48)
    )


def test_squashed_views_give_the_published_probabilities(trunk: CostTrunk) -> None:
    views = SquashedViews(working=80, window=48, stride=32)
    windows = normalised(views.of(tensors_of(NAME)["in.raw_image"]))
    with torch.no_grad():
        merged = views.merged(trunk(fixture_features(windows), text()))
    ours = functional.interpolate(merged[None], (44, 58), mode="bilinear")[0]
    assert_published(ours, "out.sliding_prob")


def test_a_single_view_gives_the_published_probabilities(trunk: CostTrunk) -> None:
    seen = fixture_features(normalised(tensors_of(NAME)["in.raw_image"][None]))
    ours = functional.interpolate(probabilities(trunk, seen, text()), (44, 58), mode="bilinear")
    assert_published(ours[0], "out.single_view_prob")


def test_the_loss_is_the_published_one(trunk: CostTrunk) -> None:
    published = tensors_of(NAME)
    labels = published["in.train_target"].long()
    labels = torch.where(labels == 255, 0, labels + 1)
    seen = fixture_features(normalised(published["in.train_images"]))
    with torch.no_grad():
        loss = pixel_loss(trunk(seen, text()), Truth(labels, mask_unlabelled=False))
    assert_published(loss[None], "out.loss_sem_seg")


def test_the_sizes_of_a_trunk_can_be_read_off_its_weights(tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "model.pth", published_checkpoint())
    assert sizes_of(read_catseg_checkpoint(file).trunk) == PUBLISHED


def test_part_of_a_trunk_has_no_sizes() -> None:
    with pytest.raises(WeightsError, match=r"found no guidance\.visual"):
        sizes_of({"embedding.weight": torch.zeros(8, 1, 7, 7)})
