"""CLIP cells mixed with the cells of a guide."""

from __future__ import annotations

import pytest
import torch
from cost.fixture_trunk import TINY, tiny_features, tiny_text, tiny_trunk
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ovseg_annotate.cost.fusion import (
    FusedTrunk,
    Fusion,
    FusionOptions,
    GuidedFeatures,
    WeightShape,
)
from ovseg_annotate.cost.loss import Truth
from ovseg_annotate.cost.options import TrunkOptions
from ovseg_annotate.errors import ModelError, OptionError

OPTIONS = TrunkOptions(padded_to=6)
GUIDE = 5  # width


def drawn(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seen(windows: int = 2) -> GuidedFeatures:
    clip = tiny_features(windows, 4, 6)
    return GuidedFeatures(clip.cells, clip.taps, clip.whole, drawn(windows, GUIDE, 4, 6))


def fused_trunk(options: FusionOptions, trunk: TrunkOptions = OPTIONS) -> FusedTrunk:
    """With the weights of `tiny_trunk`."""
    head = FusedTrunk(TINY, trunk, GUIDE, options)
    head.trunk.load_state_dict(tiny_trunk(trunk).state_dict())
    return head.eval()


class TestFusion:
    def test_a_weight_fixed_at_one_is_the_plain_trunk_exactly(self) -> None:
        head, text = fused_trunk(FusionOptions(fixed=1.0)), tiny_text(7)
        assert torch.equal(head(seen(), text), tiny_trunk(OPTIONS)(seen().tapped, text))

    def test_any_other_weight_is_not(self) -> None:
        head, text = fused_trunk(FusionOptions(fixed=0.5)), tiny_text(7)
        assert not torch.allclose(head(seen(), text), tiny_trunk(OPTIONS)(seen().tapped, text))

    @pytest.mark.parametrize("shape", ["scalar", "channel", "spatial"])
    def test_training_begins_at_the_weight_that_was_asked_for(self, shape: WeightShape) -> None:
        fusion = Fusion(8, GUIDE, FusionOptions(weight=shape, start=0.9))
        cells = drawn(2, 8, 4, 6)
        weight = fusion.weight(cells, cells)
        torch.testing.assert_close(weight, torch.full_like(weight, 0.9))
        sizes = {"scalar": (1, 1, 1, 1), "channel": (1, 8, 1, 1), "spatial": (2, 1, 4, 6)}
        assert weight.shape == sizes[shape]

    @given(st.floats(0, 1), st.floats(0.01, 100))
    def test_the_guides_own_scale_does_not_matter(self, weight: float, factor: float) -> None:
        fusion = Fusion(8, GUIDE, FusionOptions(fixed=weight))
        assert fusion.project.bias is not None
        torch.nn.init.zeros_(fusion.project.bias)
        cells, guide = drawn(1, 8, 3, 3), drawn(1, GUIDE, 3, 3, seed=4)
        torch.testing.assert_close(
            fusion(cells, guide), fusion(cells, factor * guide), atol=1e-3, rtol=1e-3
        )

    def test_the_formula_is_the_published_one(self) -> None:
        fusion = Fusion(8, GUIDE, FusionOptions(fixed=0.25, rescale=False))
        cells, guide = drawn(1, 8, 3, 3), drawn(1, GUIDE, 3, 3, seed=4)
        expected = 0.25 * cells + 0.75 * fusion.project(guide)
        torch.testing.assert_close(fusion(cells, guide), expected)

    def test_rescaled_cells_have_the_length_of_the_clip_cell(self) -> None:
        fusion = Fusion(8, GUIDE, FusionOptions(fixed=0.0))
        cells, guide = drawn(2, 8, 3, 3), drawn(2, GUIDE, 3, 3, seed=4)
        torch.testing.assert_close(fusion(cells, guide).norm(dim=1), cells.norm(dim=1))

    @pytest.mark.parametrize("shape", [(2, GUIDE + 1, 4, 6), (2, GUIDE, 4, 5)])
    def test_a_guide_that_does_not_fit_is_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ModelError, match=f"expected width {GUIDE} and the same grid"):
            Fusion(8, GUIDE, FusionOptions())(drawn(2, 8, 4, 6), drawn(*shape))


class TestHead:
    @pytest.mark.parametrize("shape", ["scalar", "channel", "spatial"])
    def test_every_part_of_the_fusion_learns(self, shape: WeightShape) -> None:
        head = fused_trunk(FusionOptions(weight=shape)).train()
        labels = torch.arange(2 * 16 * 24).view(2, 16, 24) % 4
        losses = head.losses(seen(), tiny_text(3, windows=2), Truth(labels, mask_unlabelled=True))
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        for name, weights in head.fusion.named_parameters():
            assert weights.grad is not None, name
            assert bool(weights.grad.any()), name

    def test_the_spatial_layers_may_be_steered_by_fused_cells(self) -> None:
        text = tiny_text(4)
        clip = fused_trunk(FusionOptions(guidance="clip"))
        fused = fused_trunk(FusionOptions(guidance="fused"))
        fused.load_state_dict(clip.state_dict())
        assert not torch.allclose(clip(seen(), text), fused(seen(), text))

    def test_only_the_strongest_concepts_are_scored(self) -> None:
        head = fused_trunk(FusionOptions(), TrunkOptions(padded_to=6, keep=2))
        logits = head(seen(), tiny_text(5))
        rejected = (logits == -100).all(dim=(2, 3)) if logits.ndim == 4 else None
        assert rejected is not None
        assert rejected.sum(dim=1).tolist() == [3, 3]

    def test_in_training_all_of_them_are(self) -> None:
        head = fused_trunk(FusionOptions(), TrunkOptions(padded_to=6, keep=2)).train()
        assert not bool((head(seen(), tiny_text(5)) == -100).any())

    def test_features_of_another_tower_are_refused(self) -> None:
        with pytest.raises(ModelError, match="use the tower"):
            fused_trunk(FusionOptions())(seen(), tiny_text(3)[..., :-1])

    def test_the_same_seed_gives_the_same_first_weights(self) -> None:
        one, other = (FusedTrunk(TINY, OPTIONS, GUIDE, FusionOptions()) for _ in range(2))
        for name, weights in one.state_dict().items():
            assert torch.equal(weights, other.state_dict()[name])


@pytest.mark.parametrize(
    ("options", "told"),
    [({"start": 1.0}, "'start': got 1; allowed"), ({"fixed": 1.5}, "'fixed': got 1.5; allowed")],
)
def test_weights_out_of_range_are_refused(options: dict[str, float], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        FusionOptions(**options)  # type: ignore[arg-type]
