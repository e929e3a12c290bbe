"""Against numbers that the published code computed with the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cost.fixture_fgaseg import (
    NAME,
    PUBLISHED,
    fixture_align,
    fixture_head,
    published_fgaseg,
)
from cost.fixture_trunk import (
    assert_near,
    fixture_features,
    published_checkpoint,
    write_checkpoint,
)
from engines.fixture_tower import assert_as_published, facts_of, tensors_of
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.backbones.catseg_checkpoint import read_catseg_checkpoint
from ovseg_annotate.backbones.checkpoints import fill
from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost.align_head import align_loss
from ovseg_annotate.cost.fgaseg_head import FgasegHead
from ovseg_annotate.cost.fgaseg_options import FgasegOptions
from ovseg_annotate.cost.fgaseg_published import fgaseg_weights
from ovseg_annotate.cost.loss import Truth, pixel_loss
from ovseg_annotate.cost.options import TrunkOptions
from ovseg_annotate.cost.pixel_text import sine_positions
from ovseg_annotate.cost.views import SquashedViews
from ovseg_annotate.cost.volume import cost_volume
from ovseg_annotate.engine import some_windows
from ovseg_annotate.errors import WeightsError


@pytest.fixture
def head(tmp_path: Path) -> FgasegHead:
    return fixture_head(tmp_path)


@pytest.fixture(scope="module")
def seen() -> TappedFeatures:
    return fixture_features(tensors_of("catseg")["in.image_dense"])


@pytest.fixture(scope="module")
def trained_on() -> TappedFeatures:
    return fixture_features(normalised(tensors_of(NAME)["in.train_images"]))


def text(name: str = "in.text") -> Tensor:
    return tensors_of(NAME)[name][None, :, None]


def truth() -> Truth:
    labels = tensors_of(NAME)["in.train_target"].long()
    return Truth(torch.where(labels == 255, 0, labels + 1), mask_unlabelled=False)


def normalised(images: Tensor) -> Tensor:
    """As the published code gives pictures to the tower of the fixture: 96 px square."""
    facts = facts_of("catseg")["hyperparameters"]
    mean, std = (torch.tensor(facts[name])[:, None, None] for name in ("pixel_mean", "pixel_std"))
    return functional.interpolate((images - mean) / std, (96, 96), mode="bilinear")


def assert_published(ours: Tensor, name: str) -> None:
    assert_as_published(ours, NAME, name)
    assert_near(ours, tensors_of(NAME)[name])


def test_positions_are_the_published_ones() -> None:
    assert_published(sine_positions(32, 24, 24, torch.device("cpu")), "out.position_embedding")


@torch.no_grad()
def test_words_see_the_cells_as_published(head: FgasegHead, seen: TappedFeatures) -> None:
    words = head.pixel_text(seen.cells, text())
    assert_published(words[:, :, 0], "out.text_refined")
    assert_published(cost_volume(seen.cells, words), "out.global_similarity")
    assert_published(head.local.alignment(seen.cells, words)[:, 0], "out.local_similarity")


@torch.no_grad()
def test_logits_are_the_published_ones(head: FgasegHead, seen: TappedFeatures) -> None:
    assert_published(head(seen, text()), "out.logits")


@torch.no_grad()
def test_logits_of_summed_maps_are_the_published_ones(tmp_path: Path, seen: TappedFeatures) -> None:
    logits = fixture_head(tmp_path, add=True)(some_windows(seen, 0, 1), text())
    assert_published(logits[..., ::2, ::2], "out.logits_add_fusion")


@torch.no_grad()
def test_rejected_concepts_are_the_published_ones(tmp_path: Path, seen: TappedFeatures) -> None:
    choosy = fixture_head(tmp_path, TrunkOptions(padded_to=3, keep=3))
    logits = choosy(some_windows(seen, 0, 1), text("in.text_many"))
    assert_as_published(logits[..., ::2, ::2], NAME, "out.logits_rejection")
    expected = tensors_of(NAME)["out.logits_rejection"]
    kept = (expected > -99).all(dim=(2, 3))
    assert_near(logits[..., ::2, ::2][kept], expected[kept])


@torch.no_grad()
def test_the_align_head_is_the_published_one(head: FgasegHead, seen: TappedFeatures) -> None:
    aligned = fixture_align()(seen.cells, head.pixel_text(seen.cells, text()))
    assert_published(aligned[:1, :, ::2, ::2], "out.align_eval_bn")


@torch.no_grad()
def test_losses_are_the_published_ones(head: FgasegHead, trained_on: TappedFeatures) -> None:
    words = head.pixel_text(trained_on.cells, text())
    aligned = fixture_align().train()(trained_on.cells, words)
    assert_published(aligned[:1, :, ::2, ::2], "out.train_align")
    pixels, align = pixel_loss(head(trained_on, text()), truth()), align_loss(aligned, truth())
    assert_published(pixels[None], "out.loss_segmentation")
    # It was told by the difference of two totals.
    torch.testing.assert_close(align[None], tensors_of(NAME)["out.loss_align"], atol=1e-3, rtol=0)
    assert_published((pixels + 0.02 * align)[None], "out.loss_total_no_fast")


@torch.no_grad()
def test_losses_add_up_to_the_published_totals(tmp_path: Path, trained_on: TappedFeatures) -> None:
    trunk = TrunkOptions(padded_to=12, training_pool=1)
    total = {}
    for fast in (False, True):
        head = fixture_head(tmp_path, trunk, fast=fast)
        head.options = replace(head.options, align_weight=0.02)
        head.align = fixture_align()
        losses = head.train().losses(trained_on, text(), truth())
        total[fast] = torch.stack(list(losses.values())).sum()
    assert_published(total[False][None], "out.loss_total_no_fast")
    assert_published(total[True][None], "out.loss_total_fast")


@torch.no_grad()
def test_auxiliary_logits_are_the_published_ones(
    tmp_path: Path, trained_on: TappedFeatures
) -> None:
    head = fixture_head(tmp_path, fast=True)
    rough, logits = head.all_logits(trained_on, head.pixel_text(trained_on.cells, text()))
    assert_published(rough[0], "out.fast_aux0")
    assert_published(rough[1], "out.fast_aux1")
    assert torch.equal(logits, head(trained_on, text()))


@torch.no_grad()
def test_squashed_views_give_the_published_probabilities(head: FgasegHead) -> None:
    views = SquashedViews(working=80, window=48, stride=32)
    windows = normalised(views.of(tensors_of(NAME)["in.raw_image"]))
    merged = views.merged(head(fixture_features(windows), text()))
    ours = functional.interpolate(merged[None], (44, 58), mode="bilinear")[0]
    assert_published(ours, "out.sliding_prob")


def test_the_head_of_a_checkpoint_can_be_read_off_its_weights(tmp_path: Path) -> None:
    for fast in (False, True):
        file = write_checkpoint(tmp_path / "model.pth", published_fgaseg(fast=fast))
        weights = fgaseg_weights(read_catseg_checkpoint(file), file)
        assert weights.options == FgasegOptions(
            sizes=PUBLISHED, text_layers=2, auxiliary=fast, align_weight=0.0
        )
        assert weights.head.keys() == FgasegHead(weights.options).state_dict().keys()


def test_a_checkpoint_of_the_plain_trunk_is_refused(tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "model.pth", published_checkpoint())
    with pytest.raises(WeightsError, match=r"no checkpoint of FGAseg: it lacks .* catseg"):
        fgaseg_weights(read_catseg_checkpoint(file), file)


def test_a_checkpoint_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    state = {**published_fgaseg(), "sem_seg_head.predictor.dual.0.weight": torch.zeros(1)}
    file = write_checkpoint(tmp_path / "model.pth", state)
    with pytest.raises(WeightsError, match=r"no place for the tensor dual\.0\.weight"):
        fgaseg_weights(read_catseg_checkpoint(file), file)


def test_a_checkpoint_that_lost_a_tensor_is_refused(tmp_path: Path) -> None:
    state = published_fgaseg()
    del state["sem_seg_head.predictor.transformer.conv2.bias"]
    file = write_checkpoint(tmp_path / "model.pth", state)
    weights = fgaseg_weights(read_catseg_checkpoint(file), file)
    with pytest.raises(WeightsError, match=r"1 tensors are missing.*local\.embedding\.bias"):
        fill(FgasegHead(weights.options), weights.head, file)


def test_a_checkpoint_with_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    state = published_fgaseg()
    name = "sem_seg_head.predictor.transformer.conv_cat.weight"
    state[name] = state[name].clone()
    state[name][0, 0] = float("nan")
    file = write_checkpoint(tmp_path / "model.pth", state)
    weights = fgaseg_weights(read_catseg_checkpoint(file), file)
    with pytest.raises(WeightsError, match=r"local\.fusion\.layer\.weight holds NaN"):
        fill(FgasegHead(weights.options), weights.head, file)
